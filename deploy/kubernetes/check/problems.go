package check

import (
	"bytes"
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Problems are all that is wrong with rendered manifests. users are as for [Pod].
func Problems(ctx context.Context, text []byte, users map[string]int64) ([]string, error) {
	m, err := Read(text)
	if err != nil {
		return nil, err
	}
	var p problems
	for _, o := range m.Objects {
		if err := Create(ctx, o); err != nil {
			p.add("%v", err)
		}
	}
	for _, w := range m.Workloads() {
		forbidden, err := Restricted(&w)
		if err != nil {
			return nil, err
		}
		p = append(append(p, forbidden...), Pod(&w, users)...)
	}
	p = append(p, References(m)...)
	inNamespace(&p, m)
	leaks(&p, m, text)
	return p, nil
}

// inNamespace: there is one, it enforces what is checked here, and all is in it.
func inNamespace(p *problems, m *Manifest) {
	spaces := All[*corev1.Namespace](m)
	if len(spaces) != 1 || spaces[0].Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		p.add("there is not one namespace, restricted")
		return
	}
	for _, o := range m.Objects {
		if o != Object(spaces[0]) && o.GetNamespace() != spaces[0].Name {
			p.add("%s: is in the namespace %q", title(o), o.GetNamespace())
		}
	}
}

// leaks: what is in a Secret is nowhere else.
func leaks(p *problems, m *Manifest, text []byte) {
	for _, s := range All[*corev1.Secret](m) {
		for key, value := range s.Data {
			word := strings.TrimSpace(string(value))
			if len(word) < 16 || strings.Contains(word, "\n") {
				continue
			}
			if bytes.Contains(text, []byte(word)) {
				p.add("Secret %s: its %s is elsewhere too", s.Name, key)
			}
		}
	}
}
