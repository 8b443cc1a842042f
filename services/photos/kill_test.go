package photos_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/photos"
	"github.com/porticod/portico/services/servicetest"
)

// serveDir names the folder where a child process of TestKill serves from.
const serveDir = "PORTICO_TEST_PHOTOS"

// TestKill posts from several clients, kills the process with SIGKILL in the
// middle, starts it again, and looks at everything that was acknowledged.
func TestKill(t *testing.T) {
	if dir := os.Getenv(serveDir); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	token := ""
	var acked []string
	for round := range 2 {
		c := startChild(t, dir, "TestKill")
		if token == "" {
			token = c.signUp("ann")
		}
		c.checkAcked(t, acked, round)
		acked = append(acked, c.postUntilKilled(t, token, 8)...)
	}
	c := startChild(t, dir, "TestKill")
	c.checkAcked(t, acked, 2)
	if len(acked) < 2*8 {
		t.Errorf("only %d posts were acknowledged", len(acked))
	}
}

// serveUntilKilled is the child: a service on a free port, whose address it
// prints.
func serveUntilKilled(t *testing.T, dir string) {
	people := account.New()
	people.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			return accountstore.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
		}, Registration: account.Open,
	})
	ty := photos.Type{Accounts: people, Pictures: picture.NewPool(picture.Options{Workers: 2})}
	p, err := ty.Open(t.Context(), service.Env{Kind: "photos", Name: "test", Dir: filepath.Join(dir, "photos"), Log: zerolog.New(os.Stderr)}, ty.Default())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving %s\n", servicetest.HTTP(t, p).URL)
	// Ended by a signal or, should the parent be gone, by itself.
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	<-ctx.Done()
	if err := errors.Join(p.Close(), people.Close()); err != nil {
		t.Error(err)
	}
}

// child is the process of a service.
type child struct {
	*site
	cmd  *exec.Cmd
	once sync.Once
}

func startChild(t *testing.T, dir, test string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), serveDir+"="+dir)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd}
	t.Cleanup(c.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			client := &http.Client{Timeout: patience}
			c.site = &site{t: t, HTTPServer: &servicetest.HTTPServer{URL: url, Client: client}}
			go io.Copy(io.Discard, out)
			return c
		}
	}
	c.kill()
	t.Fatalf("the child did not start: %s", log.String())
	return nil
}

// kill ends the child at once, in the middle of whatever it does.
func (c *child) kill() {
	c.once.Do(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
}

// postUntilKilled posts from three clients until n posts were acknowledged,
// kills the child and returns the ids of those that were.
func (c *child) postUntilKilled(t *testing.T, token string, n int) []string {
	var mu sync.Mutex
	var acked []string
	enough := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 3 {
		clients.Go(func() {
			for k := 0; ; k++ {
				id, err := c.postOnce(token, jpegOf(400+i, 200+k))
				if err != nil {
					return // killed
				}
				mu.Lock()
				if acked = append(acked, id); len(acked) == n {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(2 * patience):
		t.Error("too few posts")
	}
	c.kill()
	clients.Wait()
	return acked
}

// postOnce uploads and posts; an error means that the child is gone.
func (c *child) postOnce(token string, file []byte) (id string, err error) {
	typ, body := multipartOf(c.t, "file", [][]byte{file})
	var m media
	if err := ask(context.Background(), "POST", c.URL+"/api/v2/media", token, typ, body, &m); err != nil {
		return "", err
	}
	var p status
	err = ask(context.Background(), "POST", c.URL+"/api/v1/statuses", token, "application/json", strings.NewReader(`{"media_ids":[`+m.ID+`]}`), &p)
	return p.ID, err
}

// checkAcked looks at every post that was acknowledged, whole, and at those that
// are there without an acknowledgement: they must be whole too.
func (c *child) checkAcked(t *testing.T, acked []string, round int) {
	t.Helper()
	seen := map[string]bool{}
	for next := "/api/v1/timelines/public?limit=40"; next != ""; {
		var list []status
		c.get(next, "").is(200).into(&list)
		for _, p := range list {
			seen[p.ID] = true
			c.checkWhole(t, p)
		}
		_, next, _ = c.page(next)
	}
	for _, id := range acked {
		if !seen[id] {
			t.Errorf("round %d: post %s was acknowledged and is gone", round, id)
		}
	}
}

func (c *child) checkWhole(t *testing.T, p status) {
	t.Helper()
	if len(p.Media) != 1 || len(p.Media[0].Sizes) < 2 {
		t.Errorf("post %s is not whole: %+v", p.ID, p.Media)
		return
	}
	for _, u := range []string{p.Media[0].URL, p.Media[0].Sizes[0].URL, p.Media[0].Sizes[1].URL} {
		r := c.get(u, "").is(200)
		if _, _, err := image.Decode(strings.NewReader(r.body)); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}
