package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/services/internal/config"
)

// New returns the set of a workload's own rules, followed by those of a provider;
// an empty name is none. Rules that [Validate] finds fault with do not belong here.
func New(rules []Rule, provider string) *Set {
	all := rules
	if provider != "" {
		all = append(slices.Clone(rules), providers()[provider].Rules...)
	}
	if len(all) == 0 {
		return nil
	}
	s := &Set{}
	for i := range all {
		if c := compile(&all[i]); c.content == nil {
			s.head = append(s.head, c)
		} else {
			s.body = append(s.body, c)
		}
	}
	return s
}

// Validate reports everything that is wrong with the rules, by path.
func Validate(rules []Rule) []config.Problem {
	var found []config.Problem
	for i := range rules {
		add := func(key, format string, args ...any) {
			found = append(found, config.Problem{Path: fmt.Sprintf("[%d]%s", i, key), Text: fmt.Sprintf(format, args...)})
		}
		rules[i].check(add)
	}
	return found
}

// ValidateProvider says what is wrong with the name of a provider; nothing is
// wrong with an empty one.
func ValidateProvider(name string) string {
	if _, ok := providers()[name]; ok || name == "" {
		return ""
	}
	return fmt.Sprintf("%q is not known%s", name, config.Suggest(name, providers()))
}

func (r *Rule) check(add func(key, format string, args ...any)) {
	for _, text := range r.Status {
		if _, ok := parseStatus(text); !ok {
			add(".status", `%q is not a status; write one such as 200, or a class such as 4xx`, text)
		}
	}
	if _, ok := kinds[r.Verdict]; !ok {
		add(".verdict", "%q is not known; write rejected, forbidden or nothing", r.Verdict)
	}
	if len(r.Reason) > 64 || strings.ContainsFunc(r.Reason, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') }) {
		add(".reason", `%q is not a reason; write one word of small letters, such as token_revoked`, r.Reason)
	}
	if r.Address != "" && r.Verdict != "forbidden" {
		add(".address", "is for verdict: forbidden")
	}
	r.checkContent(add)
	for key, values := range map[string]map[string]config.List{".header": r.Header, ".json": r.JSON, ".xml": r.XML} {
		for name, list := range values {
			if len(list) == 0 {
				add(key+"."+name, `needs a value; write "*" for any`)
			}
		}
	}
}

func (r *Rule) checkContent(add func(key, format string, args ...any)) {
	contents := map[string]bool{
		"json": len(r.JSON) > 0, "xml": len(r.XML) > 0, "rpc_error": len(r.RPCError) > 0, "tool_error": len(r.ToolError) > 0,
	}
	var given []string
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		if contents[name] {
			given = append(given, name)
		}
	}
	switch {
	case len(given) > 1:
		add("", "has %s; a rule reads the body in one way", strings.Join(given, " and "))
	case len(given) == 0 && len(r.Header)+len(r.Location)+len(r.ContentType) == 0 && len(r.Status) == 0:
		add("", "has no condition; every answer would match")
	case len(r.RPCMessage) > 0 && len(r.RPCError) == 0:
		add(".rpc_message", `needs rpc_error; write "*" there for any code`)
	}
	for pointer := range r.JSON {
		if pointer != "" && !strings.HasPrefix(pointer, "/") {
			add(".json."+pointer, "is not a JSON pointer; it starts with /, as in /error/code")
		}
	}
	if len(given) == 0 && len(r.Header)+len(r.Location)+len(r.ContentType) == 0 && slices.ContainsFunc(r.Status, success) {
		add(".status", "would make every good answer a %s one; add a condition", r.Verdict)
	}
}

// success reports whether a status is one of good answers.
func success(status string) bool {
	s, ok := parseStatus(status)
	return ok && s.from <= 200 && s.to >= 200
}
