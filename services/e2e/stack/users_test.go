package stack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

const root = "../../.."

// users are those of deploy/nats/users.conf, in the order of the table.
var users = []string{"admin", "proxy", "status", "notifier", "operator", "subscriber"}

// probe is one thing to try, and who may do it.
type probe struct {
	subscribe bool
	subject   string
	allowed   []string
}

func may(subject string, users ...string) probe { return probe{subject: subject, allowed: users} }

func hears(subject string, users ...string) probe {
	return probe{subscribe: true, subject: subject, allowed: users}
}

// probes name what somebody needs, and what nobody but its owner may do.
var probes = []probe{
	may("auth.unauthorized.github", "proxy"),
	may("auth.authorized.github", "proxy"),
	may("auth.forbidden.github", "proxy"),
	may("auth.loaded.github", "proxy"),
	may("auth.missing.github", "proxy"),
	may("auth.expiring.github", "proxy"),
	may("auth.retired.github", "proxy", "operator"),
	may("auth.acknowledged.github", "operator"),
	may("auth.invented.github"),
	may("auth.unauthorized.github.more"),
	may("status.changed.github", "status"),
	may("status.updated.github", "status"),
	may("status.invented.github"),
	may("alert.delivered.github", "notifier"),
	may("alert.failed.github", "notifier"),
	may("alert.delivered", "notifier"),
	may("alert.failed", "notifier"),
	may("alert.silenced", "notifier", "operator"),
	may("alert.unsilenced", "notifier", "operator"),
	may("alert.silenced.github"),
	may("dead.status", "status"),
	may("dead.notifier", "notifier"),

	may("$KV.LEASES.proxy.instance", "proxy"),
	may("$KV.LEASES.notifier", "notifier"),
	may("$KV.LEASES.canary.provision", "admin", "operator"),
	may("$KV.LEASES.canary.proxy", "proxy", "operator"),
	may("$KV.LEASES.canary.status", "status", "operator"),
	may("$KV.LEASES.canary.notifier", "notifier", "operator"),
	may("$KV.DELIVERIES.row.ops.github", "notifier"),
	may("$KV.SILENCES.1", "notifier", "operator"),
	may("command.notifier.test", "operator"),

	may("$SYS.REQ.USER.INFO", "proxy", "status", "notifier"),
	may("$SYS.REQ.SERVER.PING"),
	may("$JS.API.STREAM.CREATE.AUTH", "admin"),
	may("$JS.API.STREAM.UPDATE.AUTH", "admin"),
	may("$JS.API.STREAM.DELETE.AUTH", "admin"),
	may("$JS.API.STREAM.PURGE.STATUS", "admin", "status"),
	may("$JS.API.STREAM.PURGE.AUTH", "admin"),
	may("$JS.API.STREAM.MSG.DELETE.STATUS", "admin"),
	may("$JS.API.STREAM.MSG.GET.AUTH", "admin"),
	may("$JS.API.STREAM.SNAPSHOT.AUTH", "admin"),
	may("$JS.API.STREAM.RESTORE.AUTH", "admin"),
	may("$JS.SNAPSHOT.ACK.AUTH.x", "admin"),
	may("$JS.SNAPSHOT.RESTORE.AUTH.x", "admin"),
	may("$JS.API.STREAM.NAMES", "admin"),
	may("$JS.API.STREAM.INFO.AUTH", "admin", "proxy", "status", "operator", "subscriber"),
	may("$JS.API.STREAM.INFO.STATUS", "admin", "status", "notifier", "operator", "subscriber"),
	may("$JS.API.STREAM.INFO.ALERT", "admin", "status", "notifier", "operator", "subscriber"),
	may("$JS.API.STREAM.INFO.DEAD", "admin", "status"),
	may("$JS.API.STREAM.INFO.KV_LEASES", "admin", "proxy", "status", "notifier", "operator"),
	may("$JS.API.STREAM.INFO.KV_DELIVERIES", "admin", "notifier"),
	may("$JS.API.STREAM.INFO.KV_SILENCES", "admin", "notifier", "operator"),

	may("$JS.API.DIRECT.GET.AUTH", "admin", "status", "subscriber"),
	may("$JS.API.DIRECT.GET.STATUS", "admin", "status", "notifier", "operator", "subscriber"),
	may("$JS.API.DIRECT.GET.ALERT", "admin", "status", "subscriber"),
	may("$JS.API.DIRECT.GET.DEAD", "admin"),
	may("$JS.API.DIRECT.GET.KV_DELIVERIES", "admin", "notifier", "operator"),
	may("$JS.API.DIRECT.GET.KV_SILENCES", "admin", "notifier", "operator"),
	may("$JS.API.DIRECT.GET.KV_LEASES", "admin", "notifier"),

	may("$JS.API.CONSUMER.INFO.AUTH.status-v1", "admin", "status"),
	may("$JS.API.CONSUMER.MSG.NEXT.AUTH.status-v1", "admin", "status"),
	may("$JS.ACK.AUTH.status-v1.1.1.1.1.1", "status"),
	may("$JS.ACK._.account.AUTH.status-v1.1.1.1.1.1.x", "status"),
	may("$JS.API.CONSUMER.MSG.NEXT.STATUS.notifier-v1", "admin", "notifier"),
	may("$JS.ACK.STATUS.notifier-v1.1.1.1.1.1"),
	may("$JS.API.CONSUMER.CREATE.AUTH.read.auth.>", "admin", "status"),
	may("$JS.API.CONSUMER.MSG.NEXT.AUTH.read", "admin", "status"),
	may("$JS.API.CONSUMER.CREATE.AUTH.status-v1.auth.>", "admin"),
	may("$JS.API.CONSUMER.CREATE.AUTH", "admin"),
	may("$JS.API.CONSUMER.CREATE.AUTH.read", "admin"),
	may("$JS.API.CONSUMER.DURABLE.CREATE.AUTH.read", "admin"),
	may("$JS.API.CONSUMER.DELETE.AUTH.status-v1", "admin"),
	may("$JS.API.CONSUMER.PAUSE.AUTH.status-v1", "admin"),
	may("$JS.API.CONSUMER.CREATE.STATUS.read.status.*.*", "admin", "status", "notifier"),
	may("$JS.API.CONSUMER.MSG.NEXT.STATUS.read", "admin", "status", "notifier"),
	may("$JS.API.CONSUMER.CREATE.STATUS.notifier-v1.status.>", "admin", "notifier"),
	may("$JS.API.CONSUMER.DELETE.STATUS.notifier-v1", "admin"),
	may("$JS.API.CONSUMER.CREATE.ALERT.read.alert.>", "admin"),
	may("$JS.API.CONSUMER.CREATE.KV_LEASES.read.$KV.LEASES.proxy.*", "admin", "status", "operator"),
	may("$JS.API.CONSUMER.CREATE.KV_DELIVERIES.read.$KV.DELIVERIES.>", "admin", "notifier", "operator"),
	may("$JS.API.CONSUMER.CREATE.KV_SILENCES.read.$KV.SILENCES.>", "admin", "status", "notifier", "operator"),

	hears("auth.>", "subscriber"),
	hears("status.>", "subscriber"),
	hears("alert.>", "subscriber"),
	hears("dead.>"),
	hears("command.notifier.*", "notifier"),
	hears("$KV.>"),
	hears("$JS.>"),
	hears(">"),
	hears("_INBOX.>", "subscriber"),
	hears("_INBOX_admin.>", "admin"),
	hears("_INBOX_proxy.>", "proxy"),
	hears("_INBOX_status.>", "status"),
	hears("_INBOX_notifier.>", "notifier"),
	hears("_INBOX_operator.>", "operator"),
}

func TestEachUserOfTheBrokerMayDoWhatItMustAndNoMore(t *testing.T) {
	t.Parallel()
	url := broker(t)
	checkUsers(t, url, func(user string) string { return user + "-password" })
}

// checkUsers tries every probe as every user and prints the table.
func checkUsers(t *testing.T, url string, password func(user string) string) {
	t.Helper()
	allowed := map[string][]bool{}
	for _, user := range users {
		s := login(t, url, user, password(user))
		for _, p := range probes {
			allowed[user] = append(allowed[user], s.try(t, p))
		}
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		_, err := fmt.Fprintln(table, strings.Join(cells, "\t"))
		require.NoError(t, err)
	}
	row(append([]string{""}, users...)...)
	var wrong []string
	for i, p := range probes {
		verb := "publish "
		if p.subscribe {
			verb = "subscribe "
		}
		cells := []string{verb + p.subject}
		for _, user := range users {
			mark := "-"
			if allowed[user][i] {
				mark = "yes"
			}
			if want := slices.Contains(p.allowed, user); want != allowed[user][i] {
				mark += " WRONG"
				wrong = append(wrong, user+" "+verb+p.subject)
			}
			cells = append(cells, mark)
		}
		row(cells...)
	}
	require.NoError(t, table.Flush())
	t.Logf("%d users, %d operations\n%s", len(users), len(probes), text.String())
	require.Empty(t, wrong)
}

// session is a login.
type session struct{ *nats.Conn }

func login(t *testing.T, url, user, password string) *session {
	t.Helper()
	nc, err := nats.Connect(url, nats.UserInfo(user, password), nats.CustomInboxPrefix(inbox(user)), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	require.NoError(t, err, user)
	t.Cleanup(nc.Close)
	return &session{nc}
}

// inbox is where a user of the stack receives answers; subscribers have their
// library's default.
func inbox(user string) string {
	if user == "subscriber" {
		return "_INBOX"
	}
	return "_INBOX_" + user
}

// try does it without effect: JetStream refuses a request whose body it does not
// understand, and a stream refuses a message that is meant for another one.
func (s *session) try(t *testing.T, p probe) bool {
	t.Helper()
	before := s.LastError()
	if p.subscribe {
		sub, err := s.SubscribeSync(p.subject)
		require.NoError(t, err)
		defer func() { _ = sub.Unsubscribe() }()
	} else {
		m := nats.NewMsg(p.subject)
		m.Header.Set("Nats-Expected-Stream", "NONE")
		m.Data = []byte("{") // a purge takes what does not look like JSON for "everything"
		require.NoError(t, s.PublishMsg(m))
	}
	require.NoError(t, s.Flush()) // a denial comes before the answer to this
	after := s.LastError()
	denied := after != nil && after != before && //nolint:errorlint // another one, not of another kind
		strings.Contains(after.Error(), `"`+p.subject+`"`)
	return !denied
}
