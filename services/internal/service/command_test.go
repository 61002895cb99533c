package service

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/internal/process"
)

// program is the least that runs: its service writes down with what it was made.
type program struct {
	File `yaml:",inline"`

	Proxy section `yaml:"proxy"`
}

type section struct {
	AdminListen string `yaml:"admin_listen"`
	Name        string `yaml:"name"`
}

func (p *program) Section() Section {
	s := Section{AdminListen: p.Proxy.AdminListen}
	if p.Proxy.Name == "" {
		s.Problems = []config.Problem{{Path: "name", Text: "is required"}}
	}
	return s
}

func (p *program) New(with Parts) (Service, error) {
	with.Log.Info("made", "name", p.Proxy.Name, "data_dir", p.DataDir)
	return &running{name: p.Proxy.Name}, nil
}

type running struct{ name string }

func (r *running) Run(context.Context) error { return errors.New(r.name + " ran") }
func (r *running) Ready() error              { return nil }

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "authwatch.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func blank() *program { return &program{} }

func TestTheCommandLineOfAServiceSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	c := command[*program]{name: "proxy"}
	for want, args := range map[string][]string{
		"no configuration file given; run proxy -c FILE":                                                  {},
		`unexpected argument "run"; see proxy -h`:                                                         {"-c", "x", "run"},
		"flag provided but not defined: -config; see proxy -h":                                            {"-config", "x"},
		`invalid value "loud" for flag -log-level: slog: level string "loud": unknown name; see proxy -h`: {"-log-level", "loud"},
	} {
		err := c.call(t.Context(), args, io.Discard)
		require.EqualError(t, err, want)
		var ee *process.ExitError
		require.ErrorAs(t, err, &ee)
		require.Equal(t, process.ExitUsage, ee.Code)
	}
}

func TestAProgramPrintsItsVersionAndItsUsage(t *testing.T) {
	t.Parallel()
	c := command[*program]{name: "proxy"}
	var out strings.Builder
	require.NoError(t, c.call(t.Context(), []string{"-version"}, &out))
	require.Equal(t, "proxy "+process.Version()+"\n", out.String())
	out.Reset()
	require.NoError(t, c.call(t.Context(), []string{"-h"}, &out))
	require.Contains(t, out.String(), "usage: proxy -c FILE")
}

func TestAProgramRunsTheServiceOfItsFile(t *testing.T) {
	t.Parallel()
	file := write(t, "nats: {url: \"nats://127.0.0.1:1\"}\nproxy: {name: github}\n")
	c := command[*program]{name: "proxy", blank: blank}
	require.EqualError(t, c.call(t.Context(), []string{"-c", file, "-log-level", "error"}, io.Discard), "proxy: github ran")
	require.EqualError(t, c.call(t.Context(), []string{"healthcheck", "-c", file}, io.Discard), "there is no admin listener to ask")
}

func TestAllThatIsWrongWithTheFileIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "nats: {url: \"http://nats\"}\nproxy: {name: \"\"}\n")
	c := command[*program]{name: "proxy", blank: blank}
	require.EqualError(t, c.call(t.Context(), []string{"-c", file}, io.Discard),
		file+`:1: nats.url: not the address of a NATS server; write "nats://host:4222", several with commas between`+"\n"+
			file+":2: proxy.name: is required")
}
