package natsd_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/natsd"
)

func start(t testing.TB, o natsd.Options) *natsd.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := natsd.Start(o)
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	return s
}

func TestServerListensNowhereUnlessAsked(t *testing.T) {
	t.Parallel()
	s := start(t, natsd.Options{})
	require.Empty(t, s.ClientURL())
	require.NoError(t, s.Ready())
	nc, err := nats.Connect("", nats.InProcessServer(s))
	require.NoError(t, err)
	defer nc.Close()
	require.Equal(t, "authwatch", nc.ConnectedServerName())
	require.EqualValues(t, 256<<10, nc.MaxPayload())
}

func TestFolderHasOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := natsd.Start(natsd.Options{Dir: dir})
	require.NoError(t, err)
	_, err = natsd.Start(natsd.Options{Dir: dir})
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "another process holds it")
	first.Shutdown()
	start(t, natsd.Options{Dir: dir})
}

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n := range 3 {
		s, err := natsd.Start(natsd.Options{Dir: dir})
		require.NoError(t, err)
		nc, err := nats.Connect("", nats.InProcessServer(s))
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		require.NoError(t, err)
		require.EqualValues(t, n, stream.CachedInfo().State.Msgs)
		_, err = js.Publish(t.Context(), "s", nil)
		require.NoError(t, err)
		nc.Close()
		s.Shutdown()
	}
}

func TestLoopbackNeedsNoLogin(t *testing.T) {
	t.Parallel()
	s := start(t, natsd.Options{Listen: "127.0.0.1:0"})
	nc, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	nc.Close()
}

func TestOtherAddressesNeedUsers(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:4222", "example.com:4222"} {
		_, err := natsd.Start(natsd.Options{Dir: t.TempDir(), Listen: listen})
		require.ErrorContains(t, err, "nats.users is required", listen)
	}
	_, err := natsd.Start(natsd.Options{Dir: t.TempDir(), Listen: "127.0.0.1"})
	require.ErrorContains(t, err, "nats.listen 127.0.0.1")
	_, err = natsd.Start(natsd.Options{Dir: t.TempDir(), Listen: "0.0.0.0:0", Users: []natsd.User{{Name: "proxy"}}})
	require.ErrorContains(t, err, `user "proxy" needs a name and a password`)
}

func TestPortThatIsTakenIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	s := start(t, natsd.Options{Listen: "127.0.0.1:0"})
	address := s.ClientURL()[len("nats://"):]
	_, err := natsd.Start(natsd.Options{Dir: t.TempDir(), Listen: address})
	require.ErrorContains(t, err, address)
}

func TestUsersLogInWithTheirPasswordsAndRights(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("b"), bcrypt.MinCost)
	require.NoError(t, err)
	s := start(t, natsd.Options{Listen: "127.0.0.1:0", Users: []natsd.User{
		{Name: "plain", Password: "a"},
		{Name: "hashed", Password: config.Secret(hash), Subscribe: []string{"in"}},
	}})
	for _, wrong := range []nats.Option{nats.UserInfo("plain", "b"), nats.UserInfo("hashed", string(hash)), nats.UserInfo("", "")} {
		_, err := nats.Connect(s.ClientURL(), wrong)
		require.ErrorIs(t, err, nats.ErrAuthorization)
	}
	plain, err := nats.Connect(s.ClientURL(), nats.UserInfo("plain", "a"))
	require.NoError(t, err)
	defer plain.Close()
	denied := make(chan error, 1)
	hashed, err := nats.Connect(s.ClientURL(), nats.UserInfo("hashed", "b"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	require.NoError(t, err)
	defer hashed.Close()

	sub, err := hashed.SubscribeSync("in")
	require.NoError(t, err)
	require.NoError(t, hashed.Flush())
	require.NoError(t, plain.Publish("in", nil))
	_, err = sub.NextMsg(10 * time.Second)
	require.NoError(t, err)
	require.NoError(t, hashed.Publish("out", nil))
	require.ErrorIs(t, <-denied, nats.ErrPermissionViolation)
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := natsd.Start(natsd.Options{Dir: b.TempDir()})
		require.NoError(b, err)
		s.Shutdown()
	}
}
