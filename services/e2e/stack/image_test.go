//go:build stack

package stack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
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
		files, size := contents(t, name+":stack-test")
		t.Logf("%-20s %5.1f MB %s", name, float64(size)/1e6, strings.Join(files, " "))
		binary := service
		if binary == "" {
			binary = name
		} else {
			require.Less(t, size, int64(maxImage), name)
		}
		require.ElementsMatch(t, []string{"etc/ssl/certs/ca-certificates.crt", binary}, files)
	}
}

// contents are the files in the layers of an image, and their size.
func contents(t *testing.T, image string) (files []string, size int64) {
	t.Helper()
	saved, err := exec.Command("docker", "save", image).Output()
	require.NoError(t, err)
	blobs := map[string][]byte{}
	each(t, saved, func(h *tar.Header, r io.Reader) {
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		blobs[h.Name] = content
	})
	var manifest []struct{ Layers []string }
	require.NoError(t, json.Unmarshal(blobs["manifest.json"], &manifest))
	for _, layer := range manifest[0].Layers {
		each(t, blobs[layer], func(h *tar.Header, _ io.Reader) {
			if h.Typeflag != tar.TypeDir {
				files = append(files, h.Name)
				size += h.Size
			}
		})
	}
	return files, size
}

func each(t *testing.T, archive []byte, f func(h *tar.Header, r io.Reader)) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		f(h, r)
	}
}
