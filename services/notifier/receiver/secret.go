package receiver

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/plan"
)

// Secrets are read at each attempt: a rotated file needs no restart.

// endpoint is the URL of a pair such as url and url_file.
func endpoint(plain config.Secret, file string) (config.Secret, error) {
	s, err := config.ReadSecret(plain, file)
	if err != nil {
		return "", err
	}
	return s, checkURL(s)
}

func checkURL(s config.Secret) error {
	u, err := url.Parse(s.Reveal())
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("is not a URL that starts with http:// or https://")
	}
	return nil
}

// unreadable is the result where the receiver's own secret cannot be read. That
// needs a person; it is tried again.
func unreadable(err error) plan.Result {
	return plan.Result{Outcome: plan.Refused, Error: oneLine(err.Error(), 200)}
}

// pair checks a key and its _file twin, exactly one of which is needed.
func pair(key string, plain config.Secret, file string, needed bool) []config.Problem {
	switch {
	case plain != "" && file != "":
		return []config.Problem{{Path: key, Text: fmt.Sprintf("is given here and in %s_file; keep one", key)}}
	case plain == "" && file == "" && needed:
		return []config.Problem{{Text: fmt.Sprintf("needs %s or %s_file", key, key)}}
	case file != "":
		if _, err := os.Stat(file); err != nil {
			return []config.Problem{{Path: key + "_file", Text: err.Error()}}
		}
	}
	return nil
}

// CheckURL checks a URL and its _file twin, exactly one of which is needed.
func CheckURL(key string, plain config.Secret, file string) []config.Problem {
	ps := pair(key, plain, file, true)
	if len(ps) > 0 {
		return ps
	}
	path := key
	if file != "" {
		path += "_file"
	}
	if _, err := endpoint(plain, file); err != nil {
		return []config.Problem{{Path: path, Text: err.Error()}}
	}
	return nil
}

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

// loginProblems is what is wrong with the keys that authorize takes.
func loginProblems(token config.Secret, tokenFile, username string, password config.Secret, passwordFile string) []config.Problem {
	ps := pair("bearer_token", token, tokenFile, false)
	ps = append(ps, pair("password", password, passwordFile, username != "")...)
	switch bearer := token != "" || tokenFile != ""; {
	case bearer && username != "":
		ps = append(ps, config.Problem{Path: "username", Text: "is given, and a bearer token; keep one"})
	case username == "" && (password != "" || passwordFile != ""):
		ps = append(ps, config.Problem{Path: "password", Text: "needs a username"})
	}
	return ps
}
