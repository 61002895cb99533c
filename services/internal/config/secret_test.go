package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	s := config.Secret(value)
	holder := struct {
		S config.Secret            `json:"s"`
		P *config.Secret           `json:"p"`
		L []config.Secret          `json:"l"`
		M map[string]config.Secret `json:"m"`
	}{s, &s, []config.Secret{s}, map[string]config.Secret{"k": s}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v", "%10.3s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", holder)
	}
	fmt.Fprintln(&out, s, &s, fmt.Errorf("login with %s: %w", s, os.ErrPermission))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "s", s, "p", &s, "h", holder)
	}
	require.NoError(t, json.NewEncoder(&out).Encode(holder))
	require.NoError(t, yaml.NewEncoder(&out).Encode(holder))

	require.NotContains(t, out.String(), value)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", value))
	require.Contains(t, out.String(), "<redacted>")
	require.Equal(t, value, s.Reveal())
	require.Empty(t, fmt.Sprint(config.Secret("")), "no secret is no secret")
}

func TestASecretIsReadFromItsValueOrItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for name, c := range map[string]struct {
		plain      config.Secret
		file, want string
		err        string
	}{
		"neither":         {},
		"value":           {plain: "v", want: "v"},
		"file":            {file: file("a", " v w \r\n"), want: " v w "},
		"byte order mark": {file: file("bom", "\uFEFFv\n"), want: "v"},
		"both":            {plain: "v", file: file("b", "w"), err: "given both as a value and as a file; keep one"},
		"empty file":      {file: file("c", "\n"), err: filepath.Join(dir, "c") + " is empty"},
		"no file":         {file: filepath.Join(dir, "none"), err: "open " + filepath.Join(dir, "none") + ": no such file or directory"},
		"folder":          {file: dir, err: "read " + dir + ": is a directory"},
		"pipe":            {file: pipe, err: "read " + pipe + ": is not a regular file"},
		"huge file":       {file: file("d", string(make([]byte, 65<<10))), err: "read " + filepath.Join(dir, "d") + ": larger than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := config.ReadSecret(c.plain, c.file)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, s.Reveal())
		})
	}
}
