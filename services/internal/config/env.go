package config

import (
	"fmt"
	"regexp"
	"strings"
)

const envOpen = "${env:"

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces each ${env:NAME} in a value. It runs after parsing, so what a
// variable holds is only ever text; and once, so a variable that holds
// "${env:OTHER}" is taken literally.
func expand(s string, getenv func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, envOpen)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !envName.MatchString(name) {
			return "", fmt.Errorf("%s needs the name of an environment variable: ${env:NAME}", envOpen)
		}
		value, ok := getenv(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		b.WriteString(value)
		s = after
	}
}
