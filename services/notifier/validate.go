package notifier

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// Validate is everything that is wrong with c. It reads the files that c names
// and renders every template; it does not use the network.
func (c *Config) Validate() []config.Problem {
	v := &validation{names: map[string]int{}, used: map[string]bool{}}
	if u, err := url.Parse(c.ExternalURL); err != nil || c.ExternalURL != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "") {
		v.add("external_url", "is not the address of a page; write https://host, with a path if it has one")
	}
	for i := range c.Receivers {
		v.receiver(fmt.Sprintf("receivers[%d]", i), &c.Receivers[i], i)
	}
	for i, r := range c.Receivers {
		v.fallback(fmt.Sprintf("receivers[%d].fallback", i), r, c.Receivers)
	}
	if len(c.Receivers) > 0 && len(c.Routes) == 0 {
		v.add("routes", "there are receivers and no routes; add {receivers: [%s]}", c.Receivers[0].Name)
	}
	for i, r := range c.Routes {
		v.route(fmt.Sprintf("routes[%d]", i), r)
	}
	v.reachable(c.Routes)
	for i, w := range c.Maintenance {
		v.window(fmt.Sprintf("maintenance[%d]", i), w)
	}
	for i, name := range c.SelfTest.Receivers {
		v.exists(fmt.Sprintf("self_test.receivers[%d]", i), name)
	}
	if h := c.Heartbeat; h.URL != "" || h.URLFile != "" {
		for _, p := range receiver.CheckURL("url", h.URL, h.URLFile) {
			v.add("heartbeat."+p.Path, "%s", p.Text)
		}
	}
	for i, r := range c.Receivers {
		if r.Name != "" && !v.used[r.Name] && v.names[r.Name] == i {
			v.add(fmt.Sprintf("receivers[%d].name", i), "%q is in no route and is not a fallback, so it would never get a message", r.Name)
		}
	}
	return v.problems
}

type validation struct {
	problems []config.Problem
	names    map[string]int // of receivers, and where they are
	used     map[string]bool
}

func (v *validation) add(path, format string, args ...any) {
	v.problems = append(v.problems, config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (v *validation) receiver(at string, r *receiver.Config, i int) {
	if err := events.ValidWorkload(r.Name); err != nil {
		v.add(at+".name", "%q: a receiver's name has 1 to 63 characters of a-z, 0-9 and -", r.Name)
	} else if first, ok := v.names[r.Name]; ok {
		v.add(at+".name", "%q is the name of receivers[%d] already", r.Name, first)
	} else {
		v.names[r.Name] = i
	}
	for _, p := range r.Problems() {
		if p.Path == "" {
			v.add(at, "%s", p.Text)
			continue
		}
		v.add(at+"."+p.Path, "%s", p.Text)
	}
}

// known notes that a receiver may be told, and reports one that does not exist.
func (v *validation) known(at, name string) {
	v.exists(at, name)
	v.used[name] = true
}

func (v *validation) exists(at, name string) {
	if _, ok := v.names[name]; !ok {
		v.add(at, "no receiver is named %q%s", name, config.Suggest(name, v.names))
	}
}

// fallback follows the chain of fallbacks, which must end.
func (v *validation) fallback(at string, r receiver.Config, all []receiver.Config) {
	if r.Fallback == "" {
		return
	}
	v.known(at, r.Fallback)
	seen := []string{r.Name}
	for next := r.Fallback; next != ""; {
		if slices.Contains(seen, next) {
			v.add(at, "the fallbacks go round in a circle: %s", strings.Join(append(seen, next), " -> "))
			return
		}
		seen = append(seen, next)
		i, ok := v.names[next]
		if !ok {
			return
		}
		next = all[i].Fallback
	}
}

func (v *validation) route(at string, r Route) {
	if len(r.Receivers) == 0 {
		v.add(at, "names no receivers")
	}
	for i, name := range r.Receivers {
		v.known(fmt.Sprintf("%s.receivers[%d]", at, i), name)
	}
	v.escalation(at, r)
	for i, g := range r.GroupBy {
		if g == "" || g != groupByCredential && strings.HasPrefix(strings.ToLower(g), "cred") { // a slip would be a label that nobody has
			v.add(fmt.Sprintf("%s.group_by[%d]", at, i), `cannot group by %q; write "credential", or the name of a label`, g)
		}
	}
	for key, d := range map[string]*config.Duration{
		"group_wait": r.GroupWait, "group_interval": r.GroupInterval, "repeat_interval": r.RepeatInterval,
	} {
		if d != nil && *d < 0 {
			v.add(at+"."+key, "is negative")
		}
	}
	if w := r.WarnBefore; w != nil {
		if !r.warns() {
			v.add(at+".warn_before", "is for a route that names the status expiring: match: {status: [expiring]}")
		}
		if !slices.Contains(warnSteps, w.Std()) {
			v.add(at+".warn_before", "%s is none of 7d, 1d, 1h and 5m", w)
		}
	}
	v.match(at+".match", r.Match)
}

func (v *validation) match(at string, m events.Match) {
	if _, err := path.Match(m.Workload, ""); err != nil {
		v.add(at+".workload", "%q is not a valid pattern", m.Workload)
	}
	for key, value := range m.Labels {
		if _, err := path.Match(value, ""); err != nil {
			v.add(at+".labels."+key, "%q is not a valid pattern", value)
		}
	}
	bad := map[string]bool{
		string(events.StatusUnauthenticated): true, string(events.StatusMissing): true,
		string(events.StatusExpiring): true, // a warning
	}
	for i, s := range m.Status {
		if !bad[s] {
			v.add(fmt.Sprintf("%s.status[%d]", at, i), "%q opens no incident%s", s, config.Suggest(s, bad))
		}
	}
}

// reachable reports routes that an earlier one leaves nothing to, and a last one
// that does not match everything.
func (v *validation) reachable(routes []Route) {
	for i, r := range routes {
		if i == len(routes)-1 && !all(r.Match) {
			v.add(fmt.Sprintf("routes[%d].match", i),
				"the last route must match everything, so that no workload is forgotten; add {receivers: [...]} after it")
		}
		for j, earlier := range routes[:i] {
			if !earlier.Continue && (earlier.warns() || !r.warns()) && covers(earlier.Match, r.Match) {
				v.add(fmt.Sprintf("routes[%d]", i), "is never reached: routes[%d] matches all that it does", j)
				break
			}
		}
	}
}

func (v *validation) escalation(at string, r Route) {
	for i, step := range r.Escalate {
		at := fmt.Sprintf("%s.escalate[%d]", at, i)
		if step.After <= 0 {
			v.add(at+".after", "is the time after the opening, such as 15m")
		}
		if len(step.Receivers) == 0 {
			v.add(at, "names no receivers")
		}
		for k, name := range step.Receivers {
			path := fmt.Sprintf("%s.receivers[%d]", at, k)
			v.known(path, name)
			if slices.Contains(r.Receivers, name) {
				v.add(path, "%q is told at once by this route", name)
			}
		}
	}
}
