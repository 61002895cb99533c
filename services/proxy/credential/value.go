package credential

import "context"

// value is a secret of the configuration, or in a file that it names.
type value struct{ secret *secretFile }

func (v value) read(context.Context) (reading, *failure) {
	secret, bad := v.secret.get()
	return reading{token: secret.Reveal()}, bad
}

func (value) changed() bool { return true }

// nothing is the source where every header has a value of its own.
type nothing struct{}

func (nothing) read(context.Context) (reading, *failure) { return reading{}, nil }

func (nothing) changed() bool { return false }
