package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each of these is one slip in a manifest that is right otherwise, and what is
// said about it.
func TestASlipIsRefused(t *testing.T) {
	t.Parallel()
	text := example(t).render()
	users := users(t)
	for _, slip := range []struct{ name, right, wrong, problem string }{
		{"a field that does not exist", "readOnlyRootFilesystem: true", "readOnlyRootFilesytem: true", `unknown field "spec.template.spec.containers[0].securityContext.readOnlyRootFilesytem"`},
		{"a field of another type", "replicas: 3", `replicas: "3"`, "cannot unmarshal string"},
		{"a writable image", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "may write to its image"},
		{"root", "runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot != true"},
		{"capabilities", "drop:\n            - ALL", "drop:\n            - CHOWN", "unrestricted capabilities"},
		{"privileges", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation != false"},
		{"no seccomp profile", "type: RuntimeDefault", "type: Unconfined", "seccompProfile"},
		{"a token for the API server", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "has a token for the API server"},
		{"variables of services", "enableServiceLinks: false", "enableServiceLinks: true", "has a variable for each service"},
		{"another user", "runAsUser: 10001", "runAsUser: 10002", "does not run as 10001"},
		{"a group that reads no secret", "fsGroup: 10001", "fsGroup: 10002", "fsGroup is not the group of its user"},
		{"an image that nothing builds", "authwatch-proxy:", "authwatch-prxy:", "nothing builds the image authwatch-prxy"},
		{"a soft limit above the hard one", "value: 450MiB", "value: 512MiB", "GOMEMLIMIT is 512MiB with a limit of 512Mi"},
		{"no limit", "limits:\n            memory: 512Mi\n", "limits: {}\n", "may take all the memory of its node"},
		{"a mount that stays old", "name: tokens\n          readOnly: true", "name: tokens\n          subPath: github", "would never be brought up to date"},
		{"a probe of no port", "path: /readyz\n            port: admin", "path: /readyz\n            port: adm", "its readinessProbe asks the port adm"},
		{"no probe", "        livenessProbe:\n          httpGet:\n            path: /healthz\n            port: admin\n          timeoutSeconds: 5\n", "", "has no livenessProbe"},
		{"a volume that is not there", "- mountPath: /run/tokens\n          name: tokens", "- mountPath: /run/tokens\n          name: token", `volumeMounts[3].name: Not found: "token"`},
		{"a Secret that is not there", "secretName: clients", "secretName: client", "mounts the Secret client, which does not exist"},
		{"a key that is not there", "- key: notifier\n", "- key: notifer\n", "mounts the key notifer of the Secret passwords"},
		{"a ConfigMap that is not there", "name: proxy-config\n        name: config", "name: proxy-cfg\n        name: config", "mounts the ConfigMap proxy-cfg"},
		{"a selector of no pod", "selector:\n    matchLabels:\n      app.kubernetes.io/name: notifier\n", "selector:\n    matchLabels:\n      app.kubernetes.io/name: notifer\n", "selects no pod"},
		{"a service of no port", "targetPort: http", "targetPort: web", "has no port web"},
		{"a policy about no port", "port: 6222\n      protocol: TCP", "port: 6223\n      protocol: TCP", "nobody listens on 6223"},
		{"a policy about no pod", "podSelector:\n        matchLabels:\n          authwatch/bus: client", "podSelector:\n        matchLabels:\n          authwatch/bus: clients", "a peer is not a pod"},
		{"a standard that is not enforced", "enforce: restricted", "enforce: baseline", "there is not one namespace, restricted"},
		{"another namespace", "name: nats-peers\n  namespace: authwatch", "name: nats-peers\n  namespace: default", `is in the namespace "default"`},
		{"a secret in plain sight", "value: 225MiB", "value: token-of-the-upstream", "Secret tokens: its github is elsewhere too"},
	} {
		t.Run(slip.name, func(t *testing.T) {
			t.Parallel()
			wrong := strings.Replace(text, slip.right, slip.wrong, 1)
			require.NotEqual(t, text, wrong, "the manifest has no %q", slip.right)
			p, err := Problems(t.Context(), []byte(wrong), users)
			if err != nil {
				p = []string{err.Error()}
			}
			require.Contains(t, strings.Join(p, "\n"), slip.problem)
		})
	}
}
