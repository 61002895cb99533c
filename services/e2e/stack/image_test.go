//go:build stack

package stack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxImage = 20 << 20

func TestAnImageIsABinaryAndCertificates(t *testing.T) { //nolint:paralleltest // all use one engine, and its images
	p := newProject(t, demoVariables(t)...)
	p.do("build")
	for _, service := range []string{"proxy", "status", "notifier", ""} {
		name := strings.TrimSuffix("authwatch-"+service, "-")
		files := contents(t, name+":stack-test")
		size := int64(0)
		for _, content := range files {
			size += int64(len(content))
		}
		t.Logf("%-20s %5.1f MB in %d files", name, float64(size)/1e6, len(files))
		binary := service
		if binary == "" {
			binary = name
		} else {
			require.Less(t, size, int64(maxImage), name)
		}
		require.ElementsMatch(t, []string{"etc/ssl/certs/ca-certificates.crt", binary}, slices.Collect(maps.Keys(files)))
		isReproducible(t, binary, files[binary])
	}
}

// isReproducible builds a program here, in another folder than the image's and
// without anything that its build left behind, and compares.
func isReproducible(t *testing.T, name string, image []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(image))
	require.NoError(t, err)
	require.Equal(t, runtime.Version(), info.GoVersion, "the image is made with another compiler: nothing can be compared")
	binary := filepath.Join(t.TempDir(), name)
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", binary,
		"-ldflags", "-s -w -X github.com/authwatch/authwatch/services/internal/process.version=stack-test", "./cmd/"+name)
	c.Dir, c.Env = root+"/services", append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	output(t, c)
	here, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(here), sha256.Sum256(image), "%s: other bytes than those built here", name)
}

// contents are the files in the layers of an image.
func contents(t *testing.T, image string) map[string][]byte {
	t.Helper()
	saved, err := exec.Command("docker", "save", image).Output()
	require.NoError(t, err)
	blobs := unpack(t, saved)
	var manifest []struct{ Layers []string }
	require.NoError(t, json.Unmarshal(blobs["manifest.json"], &manifest))
	files := map[string][]byte{}
	for _, layer := range manifest[0].Layers {
		maps.Copy(files, unpack(t, blobs[layer]))
	}
	return files
}

func unpack(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		if h.Typeflag != tar.TypeDir {
			files[h.Name], err = io.ReadAll(r)
			require.NoError(t, err)
		}
	}
}
