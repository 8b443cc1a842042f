// Package photos_test has programs that were written for Mastodon, unmodified,
// sign in to the real binary and use it.
package photos_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// patience is how long one script may take.
const patience = 4 * time.Minute

// config is a photos service as people start with it.
const config = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
accounts {
  registration = "open"
}
service "photos" "shots" {
  text_posts = true
}
listener "photos" {
  address = "127.0.0.1:0"
  service = service.photos.shots
}
`

// TestClients runs a script for each client. Scripts get the service's address
// and a picture, make their own people, and end with "all as expected" or an
// exception. Debian's Python has the libraries, whatever other Python there is.
func TestClients(t *testing.T) {
	bin := program.Shipped(t)
	for name, command := range map[string][]string{
		"Mastodon.py": {"/usr/bin/python3", "-B", "testdata/with_mastodon_py.py"},
		"toot":        {"/usr/bin/python3", "-B", "testdata/with_toot.py"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testkit.StartBinary(t, bin, config)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			args := append(command[1:], "http://"+d.Addr("photos"), picture(t))
			cmd := exec.CommandContext(ctx, command[0], args...)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("all as expected")) {
				t.Errorf("%v: %v\n%s", cmd.Args, err, out)
			}
		})
	}
}

// picture writes one and returns its path.
func picture(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for y := range 480 {
		for x := range 640 {
			m.SetRGBA(x, y, color.RGBA{uint8(x / 3), uint8(y / 2), uint8((x ^ y) & 0x3f), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
