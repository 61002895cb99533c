package check

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Restricted says what the Pod Security Standard `restricted` has against w.
func Restricted(w *Workload) ([]string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &w.Pod.ObjectMeta, &w.Pod.Spec))
	if result.Allowed {
		return nil, nil
	}
	return []string{w.Name + ": " + result.ForbiddenDetail()}, nil
}

// Pod says what w lacks of what every pod here has. users are the numbers that
// programs run as, by the last part of their image's name.
func Pod(w *Workload, users map[string]int64) []string {
	var p problems
	spec := &w.Pod.Spec
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || spec.ServiceAccountName != "" {
		p.add("%s: has a token for the API server", w.Name)
	}
	if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
		p.add("%s: has a variable for each service of the namespace, such as NATS_PORT", w.Name)
	}
	group := spec.SecurityContext.FSGroup
	if group == nil || spec.SecurityContext.RunAsGroup == nil || *group != *spec.SecurityContext.RunAsGroup {
		p.add("%s: fsGroup is not the group of its user, who could not read its secrets", w.Name)
	}
	for _, c := range w.Containers() {
		at := w.Name + ", container " + c.Name
		container(&p, at, &c)
		name := imageName(&c)
		user := spec.SecurityContext.RunAsUser
		if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
			user = c.SecurityContext.RunAsUser
		}
		if want, known := users[name]; !known {
			p.add("%s: nothing builds the image %s", at, name)
		} else if user == nil || *user != want {
			p.add("%s: does not run as %d", at, want)
		}
	}
	for _, c := range spec.Containers {
		probes(&p, w.Name+", container "+c.Name, &c)
	}
	return p
}

func container(p *problems, at string, c *corev1.Container) {
	if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
		p.add("%s: may write to its image", at)
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
		p.add("%s: asks for no CPU or memory", at)
	}
	limit := c.Resources.Limits.Memory().Value()
	if limit == 0 {
		p.add("%s: may take all the memory of its node", at)
	}
	for _, e := range c.Env {
		if e.Name != "GOMEMLIMIT" {
			continue
		}
		if soft, ok := memory(e.Value); !ok || soft < limit/2 || soft > limit*9/10 {
			p.add("%s: GOMEMLIMIT is %s with a limit of %s", at, e.Value, c.Resources.Limits.Memory())
		}
	}
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" || m.SubPathExpr != "" {
			p.add("%s: %s is mounted with subPath, and would never be brought up to date", at, m.MountPath)
		}
	}
}

// memory reads a GOMEMLIMIT.
func memory(text string) (bytes int64, ok bool) {
	_, err := fmt.Sscanf(text, "%dMiB", &bytes)
	return bytes << 20, err == nil
}

func probes(p *problems, at string, c *corev1.Container) {
	ports := map[string]bool{}
	for _, port := range c.Ports {
		ports[port.Name] = true
	}
	for _, each := range []struct {
		name  string
		probe *corev1.Probe
	}{
		{"startupProbe", c.StartupProbe}, {"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe},
	} {
		name, probe := each.name, each.probe
		switch {
		case probe == nil:
			p.add("%s: has no %s", at, name)
		case probe.HTTPGet != nil && !ports[probe.HTTPGet.Port.StrVal]:
			p.add("%s: its %s asks the port %s, which it does not have", at, name, probe.HTTPGet.Port.String())
		case probe.TCPSocket != nil && !ports[probe.TCPSocket.Port.StrVal]:
			p.add("%s: its %s asks the port %s, which it does not have", at, name, probe.TCPSocket.Port.String())
		}
	}
}

// imageName is the last part of an image's name, without its version.
func imageName(c *corev1.Container) string {
	name, _, _ := strings.Cut(path.Base(c.Image), ":")
	return name
}
