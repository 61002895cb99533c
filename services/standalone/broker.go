package standalone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/datadir"
	"github.com/authwatch/authwatch/services/internal/listen"
	"github.com/authwatch/authwatch/services/internal/natsd"
)

// startServer starts the embedded broker.
func (a *App) startServer(ctx context.Context) (*natsd.Server, error) {
	users, err := a.cfg.NATS.serverUsers()
	if err != nil {
		return nil, a.cfg.locate("nats", err)
	}
	if err := a.cfg.NATS.tryListen(ctx); err != nil {
		return nil, a.cfg.locate("nats", err)
	}
	password := rand.Text()
	if len(users) > 0 {
		users = append(users, natsd.User{Name: ownUser, Password: config.Secret(password)})
	}
	server, err := natsd.Start(natsd.Options{
		Dir:    filepath.Join(a.cfg.DataDir, "nats"),
		Listen: a.cfg.NATS.Listen, Users: users,
		Log: a.log.With("component", "nats"),
	})
	if errors.Is(err, datadir.ErrInUse) {
		err = a.cfg.locate("", config.Problem{Path: "data_dir", Text: a.cfg.DataDir + ": " + datadir.ErrInUse.Error()})
	}
	if err != nil {
		return nil, err
	}
	// Not before: the folder might have been another process's.
	if err := os.WriteFile(a.cfg.passwordPath(), []byte(password), 0o600); err != nil {
		server.Shutdown()
		return nil, err
	}
	return server, nil
}

// tryListen finds out in our words what the server would say in its own.
func (n *NATS) tryListen(ctx context.Context) error {
	if n.Listen == "" {
		return nil
	}
	l, err := listen.Open(ctx, "listen", n.Listen)
	if err != nil {
		return err
	}
	return l.Close()
}

// serverUsers reads the passwords.
func (n *NATS) serverUsers() ([]natsd.User, error) {
	users := make([]natsd.User, 0, len(n.Users))
	for i := range n.Users {
		u := &n.Users[i]
		password, err := config.ReadSecret(u.Password, u.PasswordFile)
		if err != nil {
			return nil, config.Problem{Path: fmt.Sprintf("users[%d].password_file", i), Text: err.Error()}
		}
		users = append(users, natsd.User{Name: u.Name, Password: password, Publish: u.Publish, Subscribe: u.Subscribe})
	}
	return users, nil
}
