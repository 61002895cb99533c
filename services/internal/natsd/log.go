package natsd

import (
	"fmt"
	"log/slog"
)

// logger passes on what the server says. Its notices are about itself, so they
// are for those who debug.
type logger struct {
	log   *slog.Logger
	fatal chan error // why it does not start: the first reason is kept
}

func (l logger) Noticef(format string, v ...any) {
	l.log.Debug("nats-server", "text", fmt.Sprintf(format, v...))
}

func (l logger) Debugf(format string, v ...any) {
	l.log.Debug("nats-server", "text", fmt.Sprintf(format, v...))
}

func (l logger) Tracef(format string, v ...any) {
	l.log.Debug("nats-server", "text", fmt.Sprintf(format, v...))
}

func (l logger) Warnf(format string, v ...any) {
	l.log.Warn("nats-server", "text", fmt.Sprintf(format, v...))
}

func (l logger) Errorf(format string, v ...any) {
	l.log.Error("nats-server", "text", fmt.Sprintf(format, v...))
}

// Fatalf is called when the server cannot start, which ends the process of a
// nats-server of its own; here it ends Start.
func (l logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default:
	}
}
