package receiver

import (
	"encoding/base64"
	"net/http"

	"github.com/authwatch/authwatch/services/internal/config"
)

// authorize sets the Authorization header from a token or a user's password,
// whichever is given, and returns what must not show.
func authorize(
	header http.Header, token config.Secret, tokenFile, username string, password config.Secret, passwordFile string,
) ([]config.Secret, error) {
	bearer, err := config.ReadSecret(token, tokenFile)
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer.Reveal())
		return []config.Secret{bearer}, nil
	}
	if username == "" {
		return nil, nil
	}
	word, err := config.ReadSecret(password, passwordFile)
	if err != nil {
		return nil, err
	}
	basic := base64.StdEncoding.EncodeToString([]byte(username + ":" + word.Reveal()))
	header.Set("Authorization", "Basic "+basic)
	return []config.Secret{word, config.Secret(basic)}, nil
}
