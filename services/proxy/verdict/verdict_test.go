package verdict

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type vector struct {
	Name            string   `json:"name"`
	Method          string   `json:"method"`
	Accept          string   `json:"accept"`
	Discovery       bool     `json:"discovery"`
	Status          int      `json:"status"`
	ContentType     string   `json:"content_type"`
	WWWAuthenticate []string `json:"www_authenticate"`

	Row     string   `json:"row"`
	Verdict string   `json:"verdict"`
	Reason  string   `json:"reason"`
	Scheme  string   `json:"scheme"`
	Error   string   `json:"error"`
	Scopes  []string `json:"scopes"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/verdicts.json")
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(file, &all))
	return all
}

func (v *vector) answer() *Response {
	return &Response{Method: v.Method, Accept: v.Accept, Discovery: v.Discovery, Status: v.Status, ContentType: v.ContentType, Challenges: ParseChallenges(v.WWWAuthenticate, nil)}
}

func TestEachGoldenAnswerGetsItsVerdict(t *testing.T) {
	t.Parallel()
	all := vectors(t)
	require.GreaterOrEqual(t, len(all), 80)
	for _, want := range all {
		t.Run(want.Name, func(t *testing.T) {
			t.Parallel()
			got, r := judge(want.answer())
			require.Equal(t, want.Verdict, got.Kind.String())
			require.Equal(t, want.Reason, got.Reason)
			require.Equal(t, strings.Join(want.Scopes, " "), strings.Join(got.Scopes, " "))
			if want.Scheme == "" {
				require.Nil(t, got.Challenge)
			} else {
				require.NotNil(t, got.Challenge)
				require.Equal(t, want.Scheme, got.Challenge.Scheme)
				require.Equal(t, want.Error, got.Challenge.get("error"))
			}
			if want.Row == "" {
				require.Nil(t, r)
			} else {
				require.NotNil(t, r)
				require.Equal(t, want.Row, r.name)
			}
		})
	}
}

func TestEveryRowOfTheTableIsCoveredByAGoldenAnswer(t *testing.T) {
	t.Parallel()
	covered := map[string]int{}
	names := map[string]bool{}
	for _, v := range vectors(t) {
		covered[v.Row]++
		require.False(t, names[v.Name], "%q is there twice", v.Name)
		names[v.Name] = true
	}
	for _, r := range table {
		require.NotZero(t, covered[r.name], r.name)
		delete(covered, r.name)
	}
	require.Contains(t, covered, "", "answers that no row matches")
	require.Len(t, covered, 1, "rows that are not in the table")
}

func TestNoStatusBut401AndInvalidTokenRejects(t *testing.T) {
	t.Parallel()
	invalid := ParseChallenges([]string{`Bearer error="invalid_token"`}, nil)
	for status := range 1000 {
		bare := Judge(Response{Method: "POST", Status: status}).Kind
		require.Equal(t, status == 401, bare == Rejected, status)
		require.Equal(t, status == 101 || status >= 200 && status <= 299 && status != 203, bare == Accepted, status)

		told := Judge(Response{Method: "POST", Status: status, Challenges: invalid}).Kind
		require.Equal(t, status >= 300 && status <= 499 && status != 407 && status != 429, told == Rejected, status)

		require.Equal(t, Nothing, Judge(Response{Method: "OPTIONS", Status: status, Challenges: invalid}).Kind, status)
		require.Equal(t, Nothing, Judge(Response{Method: "POST", Discovery: true, Status: status, Challenges: invalid}).Kind, status)
	}
}

func BenchmarkJudge(b *testing.B) {
	ok := Response{Method: "POST", Status: 200}
	b.ReportAllocs()
	for b.Loop() {
		Judge(ok)
	}
}
