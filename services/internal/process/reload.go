package process

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authwatch/authwatch/services/internal/filewatch"
)

// Watch follows the configuration file.
type Watch struct {
	File    string
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
	// Changed takes File over. It is called when the content of File has changed,
	// and on SIGHUP. After an error the configuration before is in force.
	Changed func(ctx context.Context) error
}

// Component returns the watch as a part of a [Group].
func (w Watch) Component() Component { return Component{Name: "reload", Run: w.run} }

func (w Watch) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return w.follow(ctx, hangup)
}

// takeOver returns what takes the file over and says how that ended.
func (w Watch) takeOver() func(ctx context.Context) {
	good := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "authwatch_config_last_reload_successful",
		Help: "1 while the configuration file is in force as it is, 0 since a change of it was refused.",
	})
	good.Set(1)
	if w.Metrics != nil {
		w.Metrics.MustRegister(good)
	}
	return func(ctx context.Context) {
		if err := w.Changed(ctx); err != nil {
			good.Set(0)
			w.Log.ErrorContext(ctx, "configuration not taken over, the one before stays in force", "file", w.File, "err", err)
			return
		}
		good.Set(1)
		w.Log.InfoContext(ctx, "configuration taken over", "file", w.File)
	}
}

func (w Watch) follow(ctx context.Context, hangup <-chan os.Signal) error {
	changed := w.takeOver()
	file := filewatch.Start(w.Log, filewatch.Settle, w.File)
	defer file.Close()
	last := sum(w.File)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			last = sum(w.File)
			changed(ctx)
		case <-file.Changed:
			if now := sum(w.File); now != last {
				last = now
				changed(ctx)
			}
		}
	}
}

// sum of a file that cannot be read is that of an empty one.
func sum(file string) [sha256.Size]byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(content)
}
