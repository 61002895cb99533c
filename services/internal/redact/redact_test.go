package redact_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/redact"
	"github.com/authwatch/authwatch/services/internal/redact/redacttest"
)

var tokens = []config.Secret{
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"canary-abc.def",
	"s%2Ft+u/v=w&x\"y\\z<0>'1",
	"QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
	"aaaaaaaaaaaaaaaa",
	"00112233445566778899",
}

func TestNoPieceOfASecretIsLeftInAnyEncoding(t *testing.T) {
	t.Parallel()
	encodings := redacttest.Encodings()
	require.GreaterOrEqual(t, len(encodings), 30)
	for _, secret := range tokens {
		filter := redact.New(secret)
		for _, e := range encodings {
			for _, frame := range []string{"%s", "the token %s has expired", "x%sy", `{"a":"%s"}`, "token=%s&b=c", "Basic %s", "<p>%s</p>"} {
				text := fmt.Sprintf(frame, e.Encode(secret.Reveal()))
				left := filter.Text(text)
				redacttest.RequireNone(t, left, secret.Reveal(), e.Name+" in "+frame)
				unit := len(e.Encode(secret.Reveal()))/len(secret.Reveal()) + 1
				rest := len(strings.ReplaceAll(left, redact.Mark, "")) - len(frame) - len(e.Encode("xxx"))
				require.Less(t, rest, 8*unit, "%s: %s: %s", e.Name, text, left)
				require.Equal(t, left, filter.Text(left), "a second time nothing is found: "+e.Name)
			}
		}
	}
}

func TestEncodingsInOneAnotherAreFound(t *testing.T) {
	t.Parallel()
	encodings := redacttest.Encodings()
	for _, secret := range tokens[:3] {
		filter := redact.New(secret)
		for _, inner := range encodings {
			for _, outer := range encodings {
				if inner.Lossy || outer.Lossy {
					continue
				}
				text := "said: " + outer.Encode(inner.Encode(secret.Reveal()))
				redacttest.RequireNone(t, filter.Text(text), secret.Reveal(), inner.Name+" in "+outer.Name)
			}
		}
	}
}

func TestWhatIsAroundASecretStays(t *testing.T) {
	t.Parallel()
	filter := redact.New(tokens...)
	for text, want := range map[string]string{
		"Token ghp_16C7e42F292c6912E7710c838347Ae178B4a has expired": "Token <redacted> has expired",
		"Token ghp_16C7e42F292c has expired":                         "Token <redacted> has expired",
		"Token CANARY-ABC.DEF, realm canary-abc.def":                 "Token <redacted>, realm <redacted>",
		"é canary%2Dabc%2Edef é":                                     "é <redacted> é",
		`bad token \c\a\n\a\r\y\-\a\b\c`:                             `bad token \<redacted>`,
		"c a n a r y - a b c . d e f!":                               "<redacted>!",
		"Basic dXNlcjpjYW5hcnktYWJjLmRlZg== refused":                 "Basic dXNlcj<redacted>== refused",
		"canary":  "canary",
		"ghp_16C": "ghp_16C",
		"":        "",
	} {
		require.Equal(t, want, filter.Text(text), text)
	}
}

func TestOrdinaryTextStaysAsItIs(t *testing.T) {
	t.Parallel()
	filter := redact.New(tokens...)
	for _, text := range []string{
		"The access token expired at 2026-11-28T07:29:05Z. Sign in again: https://login.example.com/oauth/authorize?a=b%20c",
		"Bearer error=\"invalid_token\", error_description=\"The token is expired &amp; revoked\"",
		`{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`,
		"Trace ID: 11111111-2222-3333-4444-555555555555 Correlation ID: 0f0e0d0c-0b0a-0908-0706-050403020100",
		"Ünïcödé 日本語 \U0001F600 \xff\xfe",
		strings.Repeat("All work and no play makes a dull log line. ", 1400),
	} {
		require.Equal(t, text, filter.Text(text))
	}
}

func TestAShortSecretIsOnlyFoundAsAWord(t *testing.T) {
	t.Parallel()
	filter := redact.New("hunter2", "7", "")
	require.Equal(t, "password <redacted>: hunter22 xhunter2 (<redacted>)", filter.Text("password hunter2: hunter22 xhunter2 (hunter2)"))
	require.Equal(t, "427 is no <redacted>", filter.Text("427 is no 7"))
	require.Equal(t, "Basic <redacted>", filter.Text("Basic <redacted>"))
	require.NotContains(t, filter.Text("Basic dXNlcjpodW50ZXIy"), "1bnRlcj")
	require.Equal(t, "q=<redacted>", filter.Text("q=hunter%32"))
}

func TestAFilterWithoutSecretsChangesNothing(t *testing.T) {
	t.Parallel()
	var none *redact.Filter
	require.Equal(t, "text", none.Text("text"))
	require.Equal(t, "text", new(redact.Filter).Text("text"))
	require.Equal(t, "text", redact.New("", "").Text("text"))
}

func TestSeveralSecretsAreFoundTogether(t *testing.T) {
	t.Parallel()
	old, current := config.Secret("old-0123456789abcdef"), config.Secret("new-fedcba9876543210")
	left := redact.New(old, current).Text("tried old-0123456789abcdef, then new-fedcba9876543210")
	require.Equal(t, "tried <redacted>, then <redacted>", left)
}

// The work must stay in proportion to the text, whatever the other side writes.
func TestTheWorstTextsAreReadInBoundedWork(t *testing.T) {
	t.Parallel()
	filter := redact.New(tokens...)
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var noise strings.Builder
	for range 64 << 10 {
		noise.WriteByte(alphabet[random.IntN(len(alphabet))])
	}
	for name, text := range map[string]string{
		"noise": noise.String(), "percent": strings.Repeat("%25", 21<<10), "backslashes": strings.Repeat(`\`, 64<<10),
		"ampersands": strings.Repeat("&#x2", 16<<10), "hex": strings.Repeat("64", 32<<10), "hits": strings.Repeat(tokens[0].Reveal(), 1600),
		"numbers": strings.Repeat("52 ", 21<<10), "zero": strings.Repeat("\x00", 64<<10),
	} {
		left := filter.Text(text)
		require.LessOrEqual(t, len(left), len(text)+len(redact.Mark)*len(text)/8, name)
	}
}

func FuzzText(f *testing.F) {
	for _, e := range redacttest.Encodings() {
		f.Add(e.Encode(tokens[0].Reveal()))
	}
	filter := redact.New(tokens...)
	f.Fuzz(func(t *testing.T, text string) {
		left := filter.Text(text)
		for _, s := range tokens {
			redacttest.RequireNone(t, left, s.Reveal(), text)
		}
	})
}
