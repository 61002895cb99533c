package standalone_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/standalone"
)

func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	sections := strings.Split(string(text), "\n## ")
	all := keys(reflect.TypeFor[standalone.Config]())
	require.Greater(t, len(all), 100)
	for _, key := range all {
		section, rest, nested := strings.Cut(key, ".")
		if !nested {
			require.Contains(t, sections[1], "`"+section+"`", "%s: docs/configuration.md says nothing of it", key)
			continue
		}
		for _, list := range []string{"workloads.credential.", "workloads.", "routes.", "receivers.", "maintenance."} {
			rest = strings.TrimPrefix(rest, list)
		}
		rest = strings.Replace(rest, "users.", "users[].", 1)
		rest = strings.Replace(rest, "maintenance.", "maintenance[].", 1)
		described := ""
		for _, s := range sections {
			if strings.HasPrefix(s, section+"\n") {
				described = s
			}
		}
		require.Contains(t, described, "`"+rest+"`", "%s: docs/configuration.md says nothing of it", key)
	}
}

// keys are the paths of the values that t can hold, without list indexes.
func keys(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t == reflect.TypeFor[config.Document]() {
		return nil
	}
	var found []string
	for f := range t.Fields() {
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			found = append(found, keys(f.Type)...)
			continue
		}
		if key == "" || key == "-" {
			continue
		}
		below := keys(f.Type)
		if len(below) == 0 {
			found = append(found, key)
		}
		for _, b := range below {
			found = append(found, key+"."+b)
		}
	}
	return found
}

func TestTheWaysOfTheArchitectureNameFilesThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	_, ways, _ := strings.Cut(string(text), "\n## The way of a 401\n")
	ways, _, _ = strings.Cut(ways, "\n## Words\n")
	named := regexp.MustCompile("`([a-z0-9_/]+\\.go)`").FindAllStringSubmatch(ways, -1)
	require.Greater(t, len(named), 30)
	for _, m := range named {
		exists := false
		for _, dir := range []string{"proxy", "status", "notifier", "internal"} {
			_, err := os.Stat(filepath.Join("..", dir, m[1]))
			exists = exists || err == nil
		}
		require.True(t, exists, m[1])
	}
}
