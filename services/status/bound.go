package status

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/authwatch/authwatch/events"
)

// The parts of a record, in bytes of JSON. Together they stay below
// [events.MaxSize] with the envelope, so a record can always be stored, whatever
// was observed before.
const (
	maxLabels        = 11 << 10 // all that the proxy's configuration allows
	maxScopes        = 2 << 10
	maxMessage       = 3 << 10
	maxObserverBytes = 10 << 10
	maxText          = 1536 // a path, a URL, a description
	maxName          = 1024 // a method or a name of MCP
	maxWord          = 512  // a method, a scheme, a fingerprint
)

// maxObservers is how many sources a record knows.
const maxObservers = 16

// bound cuts what somebody else wrote to what a record may hold of it.
func bound(o events.Observation) events.Observation {
	o.Labels = cutLabels(o.Labels)
	o.Upstream = cut(o.Upstream, maxText)
	o.Problem, o.Detail = cut(o.Problem, maxWord), cut(o.Detail, maxText)
	o.By, o.Note, o.Incident = cut(o.By, maxWord), cut(o.Note, maxText), cut(o.Incident, maxWord)
	if o.Credential != nil {
		c := *o.Credential
		c.Fingerprint, c.Source = cut(c.Fingerprint, maxWord), cut(c.Source, maxText)
		o.Credential = &c
	}
	o.Request = cutRequest(o.Request)
	if a := o.AcceptedElsewhere; a != nil {
		o.AcceptedElsewhere = &events.Acceptance{Request: cutRequest(a.Request), At: a.At}
	}
	if o.Response != nil && o.Response.Challenge != nil {
		c := o.Response.Challenge
		o.Response = &events.Response{Status: o.Response.Status, Challenge: &events.Challenge{
			Scheme: cut(c.Scheme, maxWord), Error: cut(c.Error, maxWord),
			ErrorDescription: cut(c.ErrorDescription, maxText), Realm: cut(c.Realm, maxText),
			Scope: cut(c.Scope, maxText), ResourceMetadata: cut(c.ResourceMetadata, maxText),
		}}
	}
	left := maxScopes
	for i, scope := range o.Scopes {
		if left -= encoded(scope); left < 0 {
			o.Scopes = o.Scopes[:i:i]
			break
		}
	}
	return o
}

func cutRequest(r *events.Request) *events.Request {
	if r == nil {
		return nil
	}
	return &events.Request{
		Method: cut(r.Method, maxWord), Path: cut(r.Path, maxText),
		MCPMethod: cut(r.MCPMethod, maxName), MCPName: cut(r.MCPName, maxName),
	}
}

// cutLabels leaves out what is too much, the last names first.
func cutLabels(labels map[string]string) map[string]string {
	left := maxLabels
	for name, value := range labels {
		left -= encoded(name) + encoded(value)
	}
	if left >= 0 {
		return labels
	}
	kept := make(map[string]string)
	left = maxLabels
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if left -= encoded(name) + encoded(labels[name]); left < 0 {
			break
		}
		kept[name] = labels[name]
	}
	return kept
}

// cutObservers makes room for one more: the sources that were silent longest go.
func cutObservers(all []events.Observer, next events.Observer) []events.Observer {
	size := sizeOf(next)
	for _, s := range all {
		size += sizeOf(s)
	}
	for len(all) >= maxObservers || size > maxObserverBytes && len(all) > 0 {
		oldest := 0
		for i, s := range all {
			if s.Time.Before(all[oldest].Time) {
				oldest = i
			}
		}
		size -= sizeOf(all[oldest])
		all = slices.Delete(all, oldest, oldest+1)
	}
	return all
}

// sizeOf is the most that an observer takes.
func sizeOf(s events.Observer) int {
	const rest = 256 // names, times and numbers
	return rest + encoded(s.Source) + encoded(s.Type) + encoded(s.ID) + encoded(s.Fingerprint)
}

// cut shortens s to at most most bytes of JSON.
func cut(s string, most int) string {
	size := 2 // the quotes
	for i, r := range s {
		if size += encodedRune(r); size > most {
			return s[:i]
		}
	}
	return s
}

// encoded is the most that s and what separates it from its neighbour take.
func encoded(s string) int {
	size := 3
	for _, r := range s {
		size += encodedRune(r)
	}
	return size
}

// encodedRune is the most that encoding/json writes for r.
func encodedRune(r rune) int {
	switch {
	case r < 0x20, r == '"', r == '\\', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return len(`\u003c`)
	}
	return utf8.RuneLen(r)
}
