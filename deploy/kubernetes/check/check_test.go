package check

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestNothingIsWrongWithTheExample(t *testing.T) {
	t.Parallel()
	text := example(t).render()
	p, err := Problems(t.Context(), []byte(text), users(t))
	require.NoError(t, err)
	require.Empty(t, p)

	m := manifest(t, text)
	replicas := map[string]int{}
	for _, w := range m.Workloads() {
		replicas[w.Name] = w.Replicas
	}
	require.Equal(t, map[string]int{
		"StatefulSet nats": 3, "StatefulSet proxy": 2, "Deployment status": 2, "Deployment notifier": 2,
	}, replicas)
	t.Logf("%d objects", len(m.Objects))
}

// The rendered text is written anew: what stands in a file twice is not seen there.
func TestTheFilesOfTheBaseAreStrictYAML(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/deploy/kubernetes/base/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = Read(text)
		require.NoError(t, err, file)
	}
}

func TestTheRepositoryHoldsNoSecret(t *testing.T) {
	t.Parallel()
	require.Empty(t, All[*corev1.Secret](manifest(t, render(t, root+"/deploy/kubernetes/base"))))
	require.Equal(t, "*\n!.gitignore\n", strings.SplitAfterN(repository(t, "deploy/kubernetes/example/secrets/.gitignore"), "\n", 2)[1])
}

func TestAChangeRollsWhatHasToReadItAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, change := range []struct {
		name   string
		change func(folder)
		rolls  []string
	}{
		{"nothing", func(folder) {}, nil},
		{"the configuration", func(f folder) {
			f.write("authwatch.yaml", f.read("authwatch.yaml")+"# more\n")
		}, []string{"Deployment notifier", "Deployment status"}},
		{"a token", func(f folder) { f.write("secrets/tokens/github", "another") }, nil},
		{"the clients' token", func(f folder) { f.write("secrets/clients", "another") }, nil},
		{"a password", func(f folder) {
			require.NoError(f.t, os.Remove(filepath.Join(f.dir, "secrets/proxy")))
			f.makeSecrets()
		}, []string{"StatefulSet nats"}},
		{"a version", func(f folder) {
			f.write("kustomization.yaml", strings.ReplaceAll(f.read("kustomization.yaml"), "newTag: devel", "newTag: v2"))
		}, []string{"Deployment notifier", "Deployment status", "StatefulSet proxy"}},
		{"what the broker allows", func(f folder) {
			f.write("../../nats/users.conf", f.read("../../nats/users.conf")+"# more\n")
		}, []string{"StatefulSet nats"}},
	} {
		t.Run(change.name, func(t *testing.T) {
			t.Parallel()
			f := example(t)
			before := manifest(t, f.render())
			change.change(f)
			after := manifest(t, f.render())
			require.Equal(t, change.rolls, rolled(before, after))
			for _, o := range after.Objects {
				for _, was := range before.Objects {
					if title(o) == title(was) {
						require.NoError(t, Update(o, was), "kubectl apply would fail")
					}
				}
			}
		})
	}
}

// rolled are the workloads whose pods are replaced.
func rolled(before, after *Manifest) (names []string) {
	for _, was := range before.Workloads() {
		for _, is := range after.Workloads() {
			if was.Name == is.Name && was.Pod.String() != is.Pod.String() {
				names = append(names, is.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestAFieldThatCannotBeChangedInPlaceIsRefused(t *testing.T) {
	t.Parallel()
	m := manifest(t, example(t).render())
	was := Find[*appsv1.StatefulSet](m, "proxy")
	is := was.DeepCopy()
	is.Spec.ServiceName = "another"
	require.ErrorContains(t, Update(is, was), "spec.serviceName: Invalid value: \"another\": field is immutable")
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheManifestsOfTheManualAreRight(t *testing.T) {
	t.Parallel()
	n := 0
	for _, block := range yamlBlock.FindAllStringSubmatch(repository(t, "docs/kubernetes.md"), -1) {
		if !strings.HasPrefix(block[1], "apiVersion:") || strings.Contains(block[1], "kind: Kustomization") {
			continue
		}
		for _, o := range manifest(t, block[1]).Objects {
			require.NoError(t, Create(t.Context(), o), block[1])
			n++
		}
	}
	require.NotZero(t, n)
}
