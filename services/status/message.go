package status

import (
	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/advice"
)

// message is the record's advice, after the name of the workload. The detail is
// that of an auth.missing.
func message(r events.Record, detail string) string {
	c := advice.Case{Status: r.Status, Reason: r.Reason, Detail: detail, Elsewhere: r.AcceptedElsewhere}
	if r.Credential != nil {
		c.Source, c.Expires = events.ParseSource(r.Credential.Source), r.Credential.ExpiresAt
	}
	if r.Evidence != nil {
		c.Request, c.Response = r.Evidence.Request, r.Evidence.Response
	}
	if text := c.Text(); text != "" {
		return r.Workload + ": " + text
	}
	return ""
}
