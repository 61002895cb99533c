package credential

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// settle is how long a file may be gone, empty or half written before that is
// taken as meant.
const settle = 250 * time.Millisecond

// file is a token in a file, which somebody else replaces.
type file string

func (f file) read(context.Context) (reading, *failure) {
	content, bad := readFile(string(f))
	return reading{token: content}, bad
}

// changed is always true: reading the file is the way to find out.
func (file) changed() bool { return true }

func readFile(path string) (string, *failure) {
	content, err := config.ReadFile(path, maxToken+64) // a prefix and line breaks
	if err == nil {
		return string(content), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", &failure{problem: events.ProblemNotFound, detail: "no such file"}
	}
	if _, ok := errors.AsType[config.TooLargeError](err); ok {
		return "", malformed("it is longer than %d bytes", maxToken)
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return "", &failure{problem: events.ProblemUnread, detail: err.Error()}
}
