package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// userInfo is where a server answers who asks: user, account and permissions
// (nats-server 2.10 and later).
const userInfo = "$SYS.REQ.USER.INFO"

// permissions are what the server lets this user publish to. Nothing allowed and
// nothing denied means everything.
type permissions struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

// permissions asks the server. Unlike a trial publish it shows no subscriber a
// message that is not an event.
func (b *Bus) permissions(ctx context.Context) (permissions, error) {
	reply, err := b.request(ctx, userInfo, nil)
	if err != nil {
		return permissions{}, fmt.Errorf("ask for the permissions: %w", err)
	}
	var answer struct {
		Data struct {
			Permissions struct {
				Publish permissions `json:"publish"`
			} `json:"permissions"`
		} `json:"data"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return permissions{}, fmt.Errorf("ask for the permissions: %w", err)
	}
	return answer.Data.Permissions.Publish, nil
}

func (p permissions) permit(subject string) bool {
	covers := func(pattern string) bool { return covers(pattern, subject) }
	return (len(p.Allow) == 0 || slices.ContainsFunc(p.Allow, covers)) && !slices.ContainsFunc(p.Deny, covers)
}

// covers reports whether a pattern has every subject of another pattern.
func covers(pattern, subject string) bool {
	for {
		want, moreWant, wantOn := strings.Cut(pattern, ".")
		got, moreGot, gotOn := strings.Cut(subject, ".")
		switch {
		case want == ">":
			return true
		case want != got && (want != "*" || got == ">"):
			return false
		case !wantOn || !gotOn:
			return wantOn == gotOn
		}
		pattern, subject = moreWant, moreGot
	}
}
