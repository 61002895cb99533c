package receiver

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
)

// Mentions come from the configuration only: what an upstream says never becomes
// one. They are made where somebody has to act.

func (m Message) mentions() bool {
	return m.Open && (m.Kind == events.KindOpened || m.Kind == events.KindReminder || m.Kind == events.KindDigest)
}

var (
	slackUser    = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	slackGroup   = regexp.MustCompile(`^S[A-Z0-9]{2,}$`)
	slackAll     = regexp.MustCompile(`^(here|channel|everyone)$`)
	discordUser  = regexp.MustCompile(`^[0-9]{5,25}$`)
	discordRole  = regexp.MustCompile(`^role:[0-9]{5,25}$`)
	discordAll   = regexp.MustCompile(`^(here|everyone)$`)
	teamsAddress = regexp.MustCompile(`^[^\s<>"@]+@[^\s<>"@]+$|^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

func mentionProblems(mention []string, forms string, allowed ...*regexp.Regexp) []config.Problem {
	var ps []config.Problem
	for i, who := range mention {
		known := false
		for _, form := range allowed {
			known = known || form.MatchString(who)
		}
		if !known {
			ps = append(ps, config.Problem{Path: fmt.Sprintf("mention[%d]", i), Text: fmt.Sprintf("%q is none of %s", who, forms)})
		}
	}
	return ps
}

func (s *Slack) mentionProblems() []config.Problem {
	return mentionProblems(s.Mention, "a user's id (U…), a group's id (S…), here, channel, everyone", slackUser, slackGroup, slackAll)
}

// mentions are the words that Slack makes mentions of.
func (s *Slack) mentions(m Message) string {
	if !m.mentions() {
		return ""
	}
	words := make([]string, len(s.Mention))
	for i, who := range s.Mention {
		switch {
		case slackAll.MatchString(who):
			words[i] = "<!" + who + ">"
		case slackGroup.MatchString(who):
			words[i] = "<!subteam^" + who + ">"
		default:
			words[i] = "<@" + who + ">"
		}
	}
	return strings.Join(words, " ")
}

func (d *Discord) mentionProblems() []config.Problem {
	return mentionProblems(d.Mention, `a user's id, "role:" and a role's id, here, everyone`, discordUser, discordRole, discordAll)
}

// mentions are the words that Discord makes mentions of, and the leave to do so.
func (d *Discord) mentions(m Message) (content string, allowed map[string]any) {
	parse, users, roles := []string{}, []string{}, []string{}
	if !m.mentions() {
		return "", map[string]any{"parse": parse}
	}
	var words []string
	for _, who := range d.Mention {
		role, isRole := strings.CutPrefix(who, "role:")
		switch {
		case discordAll.MatchString(who):
			words, parse = append(words, "@"+who), []string{"everyone"}
		case isRole:
			words, roles = append(words, "<@&"+role+">"), append(roles, role)
		default:
			words, users = append(words, "<@"+who+">"), append(users, who)
		}
	}
	allowed = map[string]any{"parse": parse}
	if len(users) > 0 {
		allowed["users"] = users
	}
	if len(roles) > 0 {
		allowed["roles"] = roles
	}
	return strings.Join(words, " "), allowed
}

func (t *Teams) mentionProblems() []config.Problem {
	return mentionProblems(t.Mention, "a user's sign-in address or object id", teamsAddress)
}

// mentions are the words that Teams makes mentions of, and whom they mean.
func (t *Teams) mentions(m Message) (words string, entities []any) {
	if !m.mentions() {
		return "", nil
	}
	var all []string
	for _, who := range t.Mention {
		word := "<at>" + who + "</at>"
		all = append(all, word)
		entities = append(entities, map[string]any{
			"type": "mention", "text": word, "mentioned": map[string]any{"id": who, "name": who},
		})
	}
	return strings.Join(all, " "), entities
}
