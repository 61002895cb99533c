package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const root = "../../.."

// folder is deploy/kubernetes/example as its user has it: with secrets.
type folder struct {
	t   *testing.T
	dir string
}

func example(t *testing.T) folder {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"nats", "kubernetes/base", "kubernetes/example"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, "deploy", name))))
	}
	// What lies in the folder of the one who runs the test is not tested.
	secrets := filepath.Join(dir, "kubernetes/example/secrets")
	require.NoError(t, os.RemoveAll(secrets))
	require.NoError(t, os.Mkdir(secrets, 0o700))
	f := folder{t, filepath.Join(dir, "kubernetes/example")}
	f.makeSecrets()
	f.write("secrets/tokens/github", "token-of-the-upstream")
	return f
}

func (f folder) makeSecrets() {
	f.t.Helper()
	out, err := exec.CommandContext(f.t.Context(), filepath.Join(f.dir, "secrets.sh")).CombinedOutput()
	require.NoError(f.t, err, string(out))
}

func (f folder) read(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	require.NoError(f.t, err)
	return string(text)
}

func (f folder) write(name, content string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o600))
}

// render is what `kubectl kustomize` prints.
func (f folder) render() string {
	f.t.Helper()
	return render(f.t, f.dir)
}

func render(t *testing.T, dir string) string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	text, err := resources.AsYaml()
	require.NoError(t, err)
	return string(text)
}

func manifest(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Read([]byte(text))
	require.NoError(t, err)
	return m
}

var (
	target = regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`)
	user   = regexp.MustCompile(`(?m)^USER (\d+):`)
)

// users are those of the images, as deploy/Dockerfile and docker-compose.yml have them.
func users(t *testing.T) map[string]int64 {
	t.Helper()
	users := map[string]int64{}
	for stage := range strings.SplitSeq(repository(t, "deploy/Dockerfile"), "\n\n") {
		name, number := target.FindStringSubmatch(stage), user.FindStringSubmatch(stage)
		if name == nil || number == nil || name[1] == "base" || name[1] == "demo" {
			continue
		}
		n, err := strconv.ParseInt(number[1], 10, 64)
		require.NoError(t, err)
		users["authwatch-"+name[1]] = n
	}
	require.Len(t, users, 3)
	// The image authwatch is run as who provisions, nats as who owns the streams.
	compose := repository(t, "docker-compose.yml")
	require.Contains(t, compose, `user: "10004:10004"`)
	require.Contains(t, compose, `user: "10000:10000"`)
	users["authwatch"], users["nats"] = 10004, 10000
	return users
}

func repository(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}
