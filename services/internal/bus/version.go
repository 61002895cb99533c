package bus

import (
	"fmt"
	"strconv"
	"strings"
)

// The oldest server that has what the topology and the reads need: markers of
// expired keys, and batches of direct reads.
const minMajor, minMinor = 2, 11

// checkVersion is an error if the server is too old. Before there is a connection
// it is not known.
func (b *Bus) checkVersion() error {
	version := b.nc.ConnectedServerVersion()
	if version == "" || newEnough(version) {
		return nil
	}
	return fmt.Errorf("%w: authwatch needs nats-server %d.%d or later, this is %s", ErrRefused, minMajor, minMinor, version)
}

// newEnough is true for what is no version: a build of somebody's own.
func newEnough(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	x, errX := strconv.Atoi(major)
	y, errY := strconv.Atoi(minor)
	return errX != nil || errY != nil || x > minMajor || x == minMajor && y >= minMinor
}
