package redact_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/redact"
)

func TestLongWordsAreHiddenWithDigitsOrWithout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"token ghp_16C7e42F292c6912E7710c838347A":                         "token <redacted>",
		"token correct-horse-battery-staple refused":                      "token <redacted> refused",
		"token abcdefghijklmnopqrstuvwxyz":                                "token <redacted>",
		`{"access_token":"eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.c2lnbmF0dXJl"}`: `{"access_token":"<redacted>"}`,
		"permission denied: vault is sealed":                              "permission denied: vault is sealed",
		"ünïcödé 12345678901234567890":                                    "ünïcödé <redacted>",
		"\xff\xfe 123456789012345":                                        "\xff\xfe 123456789012345",
		"":                                                                "",
	} {
		require.Equal(t, want, redact.LongWords(text))
	}
}
