package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/authwatch/authwatch/events"
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
	unreadable := func(err error) *failure {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return &failure{problem: events.ProblemUnread, detail: err.Error()}
	}
	// Opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &failure{problem: events.ProblemNotFound, detail: "no such file"}
	case err != nil:
		return "", unreadable(err)
	case info.IsDir():
		return "", &failure{problem: events.ProblemUnread, detail: "it is a directory"}
	case !info.Mode().IsRegular():
		return "", &failure{problem: events.ProblemUnread, detail: "it is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", unreadable(err)
	}
	defer f.Close()
	const most = maxToken + 64 // a prefix and line breaks
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return "", unreadable(err)
	case len(content) > most:
		return "", &failure{problem: events.ProblemMalformed, detail: fmt.Sprintf("it is longer than %d bytes", maxToken)}
	}
	return string(content), nil
}
