package receiver

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMentionsComeFromTheConfigurationOnly(t *testing.T) {
	t.Parallel()
	m := opened(t)
	m.Workloads[0].Message = "<@U999> @everyone <at>eve@example.com</at> <@&7777777> <!here>"
	kinds := map[string]Config{
		"slack":   {Slack: &Slack{Mention: []string{"U012AB3CD", "S0TEAM", "here"}}},
		"discord": {Discord: &Discord{Mention: []string{"80351110224678912", "role:165511591545143296"}}},
		"teams":   {Teams: &Teams{Mention: []string{"ops@example.com"}}},
	}
	for kind, c := range kinds {
		p := newProvider(t, status(200, "ok"))
		switch kind {
		case "slack":
			c.Slack.WebhookURL = secret(p.URL)
		case "discord":
			c.Discord.WebhookURL = secret(p.URL)
		default:
			c.Teams.URL = secret(p.URL)
		}
		send(t, c, m)
		end := resolved(t)
		send(t, c, end)
		got := p.requests()
		require.Len(t, got, 2)
		body, later := string(got[0].body), string(got[1].body)
		switch kind {
		case "slack":
			require.Contains(t, blockText(t, got[0].body, 0), "<@U012AB3CD> <!subteam^S0TEAM> <!here>")
			require.NotContains(t, body, "<@U999>")
			require.NotContains(t, later, "U012AB3CD", "nobody has to act")
		case "discord":
			v := decode(t, got[0].body)
			require.Equal(t, "<@80351110224678912> <@&165511591545143296>", v["content"])
			require.Equal(t, map[string]any{
				"parse": []any{}, "users": []any{"80351110224678912"}, "roles": []any{"165511591545143296"},
			}, v["allowed_mentions"])
			require.NotContains(t, decode(t, got[1].body), "content")
		case "teams":
			var card struct {
				Attachments []struct {
					Content struct {
						Msteams struct {
							Entities []struct {
								Type, Text string
								Mentioned  struct{ ID string }
							}
						}
					}
				}
			}
			require.NoError(t, json.Unmarshal(got[0].body, &card))
			entities := card.Attachments[0].Content.Msteams.Entities
			require.Len(t, entities, 1)
			require.Equal(t, "<at>ops@example.com</at>", entities[0].Text)
			require.Equal(t, "ops@example.com", entities[0].Mentioned.ID)
			require.NotContains(t, body, "<at>eve")
			require.NotContains(t, later, "ops@example.com")
		}
	}
}

func TestAMentionThatIsNoneOfTheProvidersIsAProblem(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]Config{
		"slack.mention[0]":   {Slack: &Slack{WebhookURL: "http://x", Mention: []string{"@ops"}}},
		"discord.mention[0]": {Discord: &Discord{WebhookURL: "http://x", Mention: []string{"<@1>"}}},
		"teams.mention[0]":   {Teams: &Teams{URL: "http://x", Mention: []string{"a</at>@x"}}},
	} {
		ps := c.Problems()
		require.Len(t, ps, 1, path)
		require.Equal(t, path, ps[0].Path)
	}
}
