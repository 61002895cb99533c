package events

import "strings"

// Source is where a credential comes from. On the wire, in [Credential], it is
// one string: "file /run/secrets/github".
type Source struct {
	Kind SourceKind // "" where the string names none that is known
	Name string     // a path, a variable, a program, a URL
}

// SourceKind is the first word of a source. Readers must tolerate new values.
type SourceKind string

const (
	SourceFile   SourceKind = "file"
	SourceEnv    SourceKind = "env"
	SourceExec   SourceKind = "exec"   // a helper command
	SourceOAuth2 SourceKind = "oauth2" // a token endpoint
)

// String is the source as it stands in [Credential].
func (s Source) String() string {
	if s.Kind == "" {
		return s.Name
	}
	return string(s.Kind) + " " + s.Name
}

// ParseSource reads what String wrote. Text without a known kind is a name.
func ParseSource(s string) Source {
	word, name, _ := strings.Cut(s, " ")
	switch kind := SourceKind(word); kind {
	case SourceFile, SourceEnv, SourceExec, SourceOAuth2:
		return Source{kind, name}
	}
	return Source{Name: s}
}
