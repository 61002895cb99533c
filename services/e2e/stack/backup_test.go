//go:build stack

package stack

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/events"
)

var backupChapter = regexp.MustCompile("(?s)\n## Back up and restore\n.*?```sh\n(.*?)```.*?```sh\n(.*?)```")

// The commands are those of docs/operations.md.
func TestABackupIsAStackAgain(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	text, err := os.ReadFile(root + "/docs/operations.md")
	require.NoError(t, err)
	commands := backupChapter.FindStringSubmatch(string(text))
	require.Len(t, commands, 3)

	p := newProject(t, append(demoVariables(t), "COMPOSE_FILE="+must(filepath.Abs(root+"/docker-compose.yml")))...)
	p.up(append(services, "demo")...)
	p.calls(http.StatusOK)
	p.incident(func() {})
	folder := t.TempDir()
	p.shell(folder, commands[1])
	p.do("down", "--volumes", "--timeout", "20")

	p.shell(folder, commands[2])
	p.healthy(append(services, "demo")...)
	p.token = p.do("run", "--rm", "setup", "show", "clients")
	require.Equal(t, 1, p.deaths(), "the history is not what it was")
	p.calls(http.StatusOK) // the demo has another token now
	require.Eventually(t, func() bool { return p.record().Status == events.StatusRunning }, time.Minute, 100*time.Millisecond)
	p.incidents = 0 // of which the demo knows
	p.incident(func() {})
	require.Equal(t, 2, p.deaths())
	require.Equal(t, 2, int(p.record().Incidents))
}

// shell runs commands of the manual for this project.
func (p *project) shell(folder, commands string) {
	p.t.Helper()
	commands = strings.NewReplacer("docker compose", strings.Join(p.compose, " "), "authwatch_", projectName+"_").Replace(commands)
	c := exec.CommandContext(p.t.Context(), "sh", "-exc", commands)
	c.Dir, c.Env = folder, p.environ
	output(p.t, c)
}
