package check

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// login is what the broker knows about a user.
type login struct {
	account, password string
	permissions       *server.Permissions
}

func logins(o *server.Options) map[string]login {
	all := map[string]login{}
	for _, u := range o.Users {
		all[u.Username] = login{u.Account.Name, u.Password, u.Permissions}
	}
	return all
}

func TestTheBrokerHasTheUsersOfTheStack(t *testing.T) {
	t.Parallel()
	f := example(t)
	m := manifest(t, f.render())
	dir := t.TempDir()
	for _, w := range m.Workloads() {
		if w.Name != "StatefulSet nats" {
			continue
		}
		for name, content := range files(m, w.Pod.Spec.Volumes[0]) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
	}
	cluster := brokerOptions(t, filepath.Join(dir, "nats.conf"), "$POD_NAME")
	require.True(t, cluster.SyncAlways, "a power cut must lose nothing that was acknowledged")
	require.Equal(t, "cluster", cluster.Cluster.Username)
	require.Len(t, cluster.Routes, 3)
	for _, r := range cluster.Routes {
		password, _ := r.User.Password()
		require.Equal(t, cluster.Cluster.Password, password)
		require.Len(t, password, 48)
	}
	require.Equal(t, 30*time.Second, cluster.LameDuckDuration)

	// The stack, with the same passwords, of users.
	passwords, _, _ := strings.Cut(f.read("secrets/passwords.conf"), "CLUSTER_PASSWORD")
	stack := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(stack, "etc/nats"), os.DirFS(root+"/deploy/nats")))
	require.NoError(t, os.MkdirAll(filepath.Join(stack, "run/secrets"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(stack, "run/secrets/nats.conf"), []byte(passwords), 0o600))
	single := brokerOptions(t, filepath.Join(stack, "etc/nats/nats.conf"), "$NATS_NAME")
	require.Len(t, single.Users, 7)
	require.Equal(t, logins(single), logins(cluster))
	require.Equal(t, single.SystemAccount, cluster.SystemAccount)
	require.Equal(t, single.JetStreamMaxStore, cluster.JetStreamMaxStore)
	require.Equal(t, single.MaxPayload, cluster.MaxPayload)
}

// brokerOptions reads a configuration as the server does at its start. variable is
// one of its environment.
func brokerOptions(t *testing.T, file, variable string) *server.Options {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), variable, "nats-0")), 0o600))
	o, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	return o
}

// files are what a volume holds.
func files(m *Manifest, v corev1.Volume) map[string]string {
	all := map[string]string{}
	configMap := func(name string) {
		if c := Find[*corev1.ConfigMap](m, name); c != nil {
			maps.Copy(all, c.Data)
		}
	}
	secret := func(name string, items []corev1.KeyToPath) {
		s := Find[*corev1.Secret](m, name)
		if s == nil {
			return
		}
		for key, value := range s.Data {
			if len(items) == 0 {
				all[key] = string(value)
			}
		}
		for _, i := range items {
			all[i.Path] = string(s.Data[i.Key])
		}
	}
	switch {
	case v.ConfigMap != nil:
		configMap(v.ConfigMap.Name)
	case v.Secret != nil:
		secret(v.Secret.SecretName, v.Secret.Items)
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				configMap(s.ConfigMap.Name)
			}
			if s.Secret != nil {
				secret(s.Secret.Name, s.Secret.Items)
			}
		}
	}
	return all
}
