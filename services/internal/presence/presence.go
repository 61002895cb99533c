// Package presence is what a proxy says about itself as long as it serves: its
// lease in the bucket LEASES, renewed until it ends. The status service reads it.
package presence

import (
	"encoding/json"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
)

// A lease that is not renewed for TTL has lapsed. Renew leaves room for two
// writes that fail.
const (
	TTL   = bus.LeaseTTL
	Renew = TTL / 3
)

// Keys are the keys of all leases.
const Keys = "proxy.*"

// Key is where an instance keeps its lease.
func Key(instance string) string { return "proxy." + instance }

// Lease is what one proxy serves.
type Lease struct {
	Instance  string            `json:"instance"`
	Workloads map[string]Served `json:"workloads"`
}

// Served is what a proxy says about the upstream of one workload.
type Served struct {
	// Reachable is nil where the proxy does not say.
	Reachable *bool     `json:"reachable,omitempty"`
	Since     time.Time `json:"since"`           // when that began
	Error     string    `json:"error,omitempty"` // why it cannot be reached
}

// Parse reads a lease. It leaves out what is not the name of a workload.
func Parse(value []byte) (Lease, error) {
	var l Lease
	if err := json.Unmarshal(value, &l); err != nil {
		return Lease{}, err
	}
	for name, s := range l.Workloads {
		if events.ValidWorkload(name) != nil {
			delete(l.Workloads, name)
			continue
		}
		s.Error = events.CleanText(s.Error, 300)
		l.Workloads[name] = s
	}
	return l, nil
}
