package chat_test

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// client.js is no part of the page: it works in Node.js as well, through a
// restart of the server.
func TestClientInNode(t *testing.T) {
	t.Parallel()
	d, url := daemon(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Node.js 20 has a WebSocket only where one asks for it; newer ones know the
	// option still.
	cmd := exec.CommandContext(ctx, "node", "--experimental-websocket", "--no-warnings", "testdata/client.mjs", url, filepath.Join(d.Dir, "outbox"))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Node.js 20 or newer (Debian package nodejs): %v", err)
	}
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch last = lines.Text(); last {
		case "connected":
			if code := d.Stop(); code != 0 {
				t.Errorf("the daemon ends with %d", code)
			}
		case "down":
			testkit.Restart(t, d, testkit.App())
		}
	}
	if err := cmd.Wait(); err != nil || last != "done" {
		t.Fatalf("after %q: %v\n%s", last, err, complaint.String())
	}
}

// And against a server that is made up, for what a real one does seldom.
func TestClientAlone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "node", "--no-warnings", "testdata/alone.mjs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
