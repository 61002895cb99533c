package credential

import (
	"context"
	"os"

	"github.com/authwatch/authwatch/events"
)

// env is a token in an environment variable. It stays what it was when the
// process started.
type env string

func (e env) read(context.Context) (reading, *failure) {
	value, ok := os.LookupEnv(string(e))
	if !ok {
		return reading{}, &failure{problem: events.ProblemNotFound, detail: "the variable is not set"}
	}
	return reading{token: value}, nil
}

func (env) changed() bool { return false }
