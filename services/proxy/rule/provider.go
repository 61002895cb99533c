package rule

import (
	"embed"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/authwatch/authwatch/services/internal/config"
)

//go:embed providers/*.yaml
var files embed.FS

// provider is a shipped set of rules for the answers of one service.
type provider struct {
	// About says in a sentence what the service answers to a dead token.
	About string `yaml:"about"`
	// Sources are the pages and reports that the rules are built on.
	Sources []string `yaml:"sources"`
	Rules   []Rule   `yaml:"rules"`
}

// names returns the names of all, in order.
func names() []string { return slices.Sorted(maps.Keys(providers())) }

// providers are by name, which is that of the file.
var providers = sync.OnceValue(func() map[string]provider {
	all, err := readProviders()
	if err != nil {
		panic(err) // the files are part of the program, and a test reads them
	}
	return all
})

func readProviders() (map[string]provider, error) {
	all := map[string]provider{}
	entries, err := files.ReadDir("providers")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := path.Join("providers", e.Name())
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var p provider
		doc, err := config.Parse(name, text, &p)
		if err != nil {
			return nil, err
		}
		if err := doc.Check("rules", Validate(p.Rules)); err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(e.Name(), ".yaml")] = p
	}
	return all, nil
}
