package bus_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/bus"
	"github.com/authwatch/authwatch/services/internal/natsd"
	"github.com/authwatch/authwatch/services/internal/natsd/natstest"
)

// as logs in over the network as a user with password "secret".
func as(s *natstest.Server, user string) func(*bus.Options) {
	return func(o *bus.Options) {
		o.InProcess, o.URL = nil, s.ClientURL()
		o.Name, o.User, o.Password = user, user, "secret"
	}
}

func TestDeniedPublishNamesItsSubjectInsteadOfTimingOut(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Users(
		natsd.User{Name: "admin", Password: "secret"},
		natsd.User{Name: "poor", Password: "secret", Publish: []string{"$JS.API.>"}, Subscribe: []string{"_INBOX_poor.>"}}))
	s.Bus(t, as(s, "admin"))
	b := s.Connect(t, as(s, "poor"))

	err := b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", 1))
	require.ErrorIs(t, err, bus.ErrRefused)
	require.NotErrorIs(t, err, bus.ErrUnavailable)
	require.ErrorContains(t, err, "auth.unauthorized.github")
	eventually(t, func() bool { return errors.Is(b.Ready(), bus.ErrRefused) }, "the canary is denied")
	require.ErrorContains(t, b.Ready(), "$KV.LEASES.canary.poor")
}

func TestDeniedSubjectIsSaidBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Users(
		natsd.User{Name: "admin", Password: "secret"},
		natsd.User{Name: "poor", Password: "secret", Publish: []string{"auth.loaded.*", "$KV.LEASES.>", "$SYS.REQ.USER.INFO"}, Subscribe: []string{"_INBOX_poor.>"}}))
	admin := s.Bus(t, as(s, "admin"))
	b := s.Connect(t, as(s, "poor"))
	var seen atomic.Int64
	subscriber, err := nats.Connect(s.ClientURL(), nats.UserInfo("admin", "secret"))
	require.NoError(t, err)
	t.Cleanup(subscriber.Close)
	_, err = subscriber.Subscribe("auth.>", func(*nats.Msg) { seen.Add(1) })
	require.NoError(t, err)
	require.NoError(t, subscriber.Flush())

	b.Needs("auth.loaded.*")
	eventually(t, func() bool { return b.Ready() == nil }, "it may")
	b.Needs("auth.unauthorized.*")
	eventually(t, func() bool { return errors.Is(b.Ready(), bus.ErrRefused) }, "it may not")
	require.ErrorContains(t, b.Ready(), "auth.unauthorized.*")
	require.NoError(t, subscriber.Flush())
	require.Zero(t, seen.Load(), "no subscriber saw anything")
	_, err = admin.Last(t.Context(), bus.StreamAuth, "auth.>")
	require.ErrorIs(t, err, bus.ErrNotFound, "nothing was stored")
}

func TestDeniedInboxFailsEveryCall(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Users(
		natsd.User{Name: "admin", Password: "secret"},
		natsd.User{Name: "deaf", Password: "secret", Publish: []string{">"}, Subscribe: []string{"_INBOX_other.>"}}))
	s.Bus(t, as(s, "admin"))
	b := s.Connect(t, as(s, "deaf"))
	for range 3 {
		err := b.Publish(t.Context(), observation(t, events.TypeUnauthorized, "github", 1))
		require.ErrorIs(t, err, bus.ErrRefused)
		require.ErrorContains(t, err, "_INBOX_deaf")
	}
}

func TestWrongPasswordIsRetriedAndSaidByReady(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, natstest.Users(natsd.User{Name: "admin", Password: "other"}))
	b := s.Connect(t, as(s, "admin"))
	eventually(t, func() bool {
		err := b.Ready()
		return err != nil && errors.Is(b.Publish(t.Context(), observation(t, events.TypeLoaded, "github", 1)), bus.ErrUnavailable)
	}, "it is not ready")
	eventually(t, func() bool { return b.Ready() != nil && strings.Contains(b.Ready().Error(), "uthorization") }, "and says why")
	require.NotContains(t, b.Ready().Error(), "secret")
}
