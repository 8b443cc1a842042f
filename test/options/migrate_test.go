package options_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
)

const homeConfig = `
accounts { registration = "open" }
service "chat" "own" {}
service "photos" "own" {}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.own
}
listener "photos" {
  address = "127.0.0.1:0"
  service = service.photos.own
}
`

// movedTo is the storage block of a new place.
func movedTo(t *testing.T, bucket *s3.Server) string {
	t.Helper()
	return fmt.Sprintf(`storage {
  database   = "%s"
  blobs      = "%s"
  access_key = "portico-test"
  secret_key = secret("bucket-key")
}
`, postgres.Database(t), bucket.URL(""))
}

// A household is what one has before a move, and wants to have after it.
type household struct {
	t     *testing.T
	ann   chatter
	conv  string
	file  string
	photo string // its path
	epoch string
	after string // the cursor that a client has
	said  int
}

func settle(t *testing.T, d *testkit.Daemon) *household {
	t.Helper()
	h := &household{t: t, ann: join(t, d.URL("chat"), "ann")}
	join(t, d.URL("chat"), "bob")
	h.conv = h.ann.call(http.StatusCreated, "POST", "/v1/conversations", `{"kind":"direct","with":"bob"}`).field(t, "id")
	h.file = h.ann.call(http.StatusCreated, "POST", "/v1/blobs?name=a.txt", "some bytes").field(t, "id")
	eve := signUp(t, d.URL("photos"), "eve")
	media := postMedia(t, d.URL("photos"), picture(t, 40, 40, 1), eve).field(t, "id")
	wait.Until(t, "the picture is posted", func() bool {
		return ask(t, "POST", d.URL("photos")+"/api/v1/statuses", "status=walruses&media_ids[]="+media, slices.Concat(eve, form)...).StatusCode == http.StatusOK
	})
	address, err := url.Parse(get(t, d.URL("photos")+"/api/v1/media/"+media, eve...).field(t, "url"))
	if err != nil {
		t.Fatal(err)
	}
	h.photo = address.RequestURI()
	h.say("zebras")
	at := h.events("")
	h.epoch, h.after = at.Epoch, fmt.Sprint(at.Cursor)
	h.say("okapis")
	return h
}

func (h *household) say(word string) {
	h.t.Helper()
	h.said++
	h.ann.call(http.StatusCreated, "POST", "/v1/conversations/"+h.conv+"/messages", fmt.Sprintf(`{"cid":"m%d","text":"%s","attachments":["%s"]}`, h.said, word, h.file))
}

type happened struct {
	Epoch  string            `json:"epoch"`
	Cursor int64             `json:"cursor"`
	Events []json.RawMessage `json:"events"`
	Reset  bool              `json:"reset"`
}

func (h *household) events(query string) (e happened) {
	h.t.Helper()
	body := h.ann.call(http.StatusOK, "GET", "/v1/events?wait=0"+query, "").body
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		h.t.Fatal(err)
	}
	return e
}

// lives makes sure that all is there where d is, for those who were signed in, and
// goes on.
func (h *household) lives(d *testkit.Daemon, round int) {
	h.t.Helper()
	t := h.t
	h.ann.url = d.URL("chat")
	if got := h.ann.call(http.StatusOK, "GET", "/v1/blobs/"+h.file, ""); got.body != "some bytes" {
		t.Errorf("the attachment came back as %q", got.body)
	}
	get(t, d.URL("photos")+h.photo).is(t, http.StatusOK, "")
	if e := h.events("&epoch=" + h.epoch + "&after=" + h.after); e.Reset || e.Epoch != h.epoch || !strings.Contains(fmt.Sprintf("%s", e.Events), "okapis") {
		t.Errorf("a client that resumes gets %s, reset %v, epoch %s, not %s", e.Events, e.Reset, e.Epoch, h.epoch)
	}
	h.say(fmt.Sprint("giraffes", round))
	for _, word := range []string{"zebras", fmt.Sprint("giraffes", round)} {
		wait.Until(t, "search finds "+word, func() bool {
			return strings.Contains(h.ann.call(http.StatusOK, "GET", "/v1/search?q="+word, "").body, word)
		})
	}
	eve := signUp(t, d.URL("photos"), fmt.Sprint("eve", round))
	wait.Until(t, "the post is found", func() bool {
		return strings.Contains(get(t, d.URL("photos")+"/api/v2/search?type=statuses&q=walruses", eve...).body, "walruses")
	})
	join(t, d.URL("chat"), fmt.Sprint("carol", round)) // numbers go on
	h.ann.call(http.StatusCreated, "POST", "/v1/conversations", fmt.Sprintf(`{"kind":"direct","with":"carol%d"}`, round))
}

// A chat and photos move to other engines and back, while they are stopped, and there
// again.
func TestMigrateStopped(t *testing.T) {
	t.Parallel()
	bucket := s3.Start(t)
	block := movedTo(t, bucket)
	d := start(t, homeConfig)
	h := settle(t, d)
	d.Write("data/secrets/bucket-key", s3.SecretKey)
	d.Write("storage.hcl", block)
	for round, c := range []struct {
		to              []string
		config, refused string
	}{
		{[]string{"--to", "storage.hcl"}, homeConfig + block, "with portico migrate, or take storage."},
		{[]string{"--home"}, homeConfig, "take them home with portico migrate --home"},
		{[]string{"--to", "storage.hcl"}, homeConfig + block, "with portico migrate, or take storage."},
	} {
		d.Stop()
		before, err := os.ReadFile(d.File())
		if err != nil {
			t.Fatal(err)
		}
		d.Write("config.hcl", c.config)
		if out := command(t, 1, d.Dir, "run", d.File()); !strings.Contains(out, c.refused) {
			t.Errorf("a start before it is moved: %s", out)
		}
		d.Write("config.hcl", string(before))
		line := append([]string{"migrate", d.File()}, c.to...)
		if out := command(t, 0, d.Dir, append(line, "--dry-run")...); strings.Count(out, "chat.own") != 2 || !strings.Contains(out, "the data folder") {
			t.Errorf("a dry run says %s", out)
		}
		said(t, d, []string{"there", "home", "there"}[round], command(t, 0, d.Dir, line...))
		if out := command(t, 1, d.Dir, "run", d.File()); !strings.Contains(out, "service.chat.own") && !strings.Contains(out, "the accounts") {
			t.Errorf("a start with the old config: %s", out)
		}
		d.Write("config.hcl", c.config)
		d = testkit.RestartBinary(t, d, program(t))
		h.lives(d, round)
		if out := command(t, 0, d.Dir, line...); !strings.Contains(out, "there is nothing to move") {
			t.Errorf("once more: %s", out)
		}
	}
}

// While it moves somebody writes all the time, and nothing is lost that was
// acknowledged: not when migrate is killed, not at the switch, on the way there and
// on the way back.
func TestMigrateWhileRunning(t *testing.T) {
	t.Parallel()
	bucket := s3.Start(t)
	block := movedTo(t, bucket)
	d := start(t, homeConfig)
	h := settle(t, d)
	d.Write("data/secrets/bucket-key", s3.SecretKey)
	d.Write("storage.hcl", block)
	w := writing(h)
	for round, c := range []struct {
		to     []string
		config string
	}{
		{[]string{"--to", "storage.hcl"}, homeConfig + block},
		{[]string{"--home"}, homeConfig},
	} {
		w.until(20 * (2*round + 1))
		line := append([]string{"migrate", d.File()}, c.to...)
		killed(t, d, line)
		said(t, d, []string{"there-running", "home-running"}[round], command(t, 0, d.Dir, line...))
		w.until(20 * (2*round + 2))
		d.Write("config.hcl", c.config)
		w.url.Store(nil)
		d.Stop()
		d = testkit.RestartBinary(t, d, program(t))
		if !strings.Contains(d.Log(), "the data was moved") {
			t.Errorf("the start says\n%s", d.Log())
		}
		h.ann.url = d.URL("chat")
		at := d.URL("chat")
		w.url.Store(&at)
		if _, err := os.Stat(filepath.Join(d.Dir, "data", "moving")); err == nil {
			t.Error("the mark of the move is still there")
		}
	}
	w.until(100)
	w.end()
	h.lives(d, 9)
	for after := "0"; ; {
		e := h.events("&epoch=" + h.epoch + "&after=" + after)
		if e.Reset {
			t.Fatal("a client that resumes from the beginning has to read anew")
		}
		for _, one := range e.Events {
			var m struct{ Text, CID string }
			if err := json.Unmarshal(one, &m); err == nil {
				delete(w.acked, m.Text)
			}
		}
		if len(e.Events) == 0 {
			break
		}
		after = fmt.Sprint(e.Cursor)
	}
	if len(w.acked) > 0 {
		t.Errorf("acknowledged and lost: %v", w.acked)
	}
}

// What differs from one move to the next.
var (
	sums    = regexp.MustCompile(`[0-9a-f]{64}`)
	stamps  = regexp.MustCompile(`moved([-_])\d{14}[-_]\w{4}`)
	servers = regexp.MustCompile(` of test\S* at \S+|(s3://\S+) at \S+`)
	amounts = regexp.MustCompile(`\b\d+(\.\d+)?(ms|s|[KM]?i?B)?\b`)
	nouns   = regexp.MustCompile(`N (row|file|table)s?\b`)
)

// said compares what migrate says with a golden file; what is an amount of what it
// moved has to be more than none.
func said(t *testing.T, d *testkit.Daemon, name, out string) {
	t.Helper()
	if strings.Contains(out, " 0 rows of") || strings.Contains(out, " 0 files of") {
		t.Errorf("nothing was moved: %s", out)
	}
	out = sums.ReplaceAllString(strings.ReplaceAll(out, d.Dir, "DIR"), "SUM")
	out = servers.ReplaceAllString(stamps.ReplaceAllString(out, "moved${1}TIME"), "${1} at SERVER")
	golden.Match(t, filepath.Join("testdata", "migrate-"+name+".golden"), nouns.ReplaceAllString(amounts.ReplaceAllString(out, "N"), "N ${1}s"))
}

// command is portico, for what takes longer when the machine is busy.
func command(t *testing.T, status int, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("portico %s: status %d, not %d\n%s", strings.Join(args, " "), got, status, out)
	}
	return string(out)
}

// killed kills migrate as soon as it has begun to copy.
func killed(t *testing.T, d *testkit.Daemon, line []string) {
	t.Helper()
	cmd := exec.Command(program(t), line...)
	cmd.Dir = d.Dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the move has begun", func() bool {
		_, err := os.Stat(filepath.Join(d.Dir, "data", "moving"))
		return err == nil
	})
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_, _ = bufio.NewReader(out).ReadString(0)
	_ = cmd.Wait()
}

// A writer sends messages, one after another, each until it is acknowledged.
type writer struct {
	t     *testing.T
	url   atomic.Pointer[string] // nil: nobody is there
	n     atomic.Int64
	acked map[string]bool // of the goroutine, until done
	quit  chan struct{}
	done  chan struct{}
}

func writing(h *household) *writer {
	w := &writer{t: h.t, acked: map[string]bool{}, quit: make(chan struct{}), done: make(chan struct{})}
	at := h.ann.url
	w.url.Store(&at)
	go w.write(h.conv, h.ann.token)
	h.t.Cleanup(w.end)
	return w
}

func (w *writer) write(conv, token string) {
	defer close(w.done)
	for {
		text := fmt.Sprint("message ", w.n.Load())
		for {
			select {
			case <-w.quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			at := w.url.Load()
			if at == nil {
				continue
			}
			a, err := try(w.t, client, "POST", *at+"/v1/conversations/"+conv+"/messages", fmt.Sprintf(`{"cid":"w%d","text":"%s"}`, w.n.Load(), text),
				"Authorization", "Bearer "+token)
			if err == nil && (a.StatusCode == http.StatusCreated || a.StatusCode == http.StatusOK) {
				break
			}
		}
		w.acked[text] = true
		w.n.Add(1)
	}
}

func (w *writer) until(n int) {
	w.t.Helper()
	wait.Until(w.t, "messages are written", func() bool { return w.n.Load() >= int64(n) })
}

// end ends it; it may be called again.
func (w *writer) end() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	<-w.done
}

// Where the last step fails nothing is switched: the daemon goes on as before, and
// says so.
func TestMigrateFails(t *testing.T) {
	bucket := s3.Start(t)
	block := movedTo(t, bucket)
	d := testkit.Start(t, testkit.App(), homeConfig)
	h := settle(t, d)
	d.Write("data/secrets/bucket-key", s3.SecretKey)
	d.Write("storage.hcl", block)
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "storage.hcl")
	h.say("lemurs")
	file := h.ann.call(http.StatusCreated, "POST", "/v1/blobs?name=b.txt", "other bytes").field(t, "id")
	d.Write("config.hcl", homeConfig+block)
	bucket.Break(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		s3.Answer(w, http.StatusForbidden, "AccessDenied")
	})
	d.Stop()
	d = testkit.Restart(t, d, testkit.App())
	wait.Until(t, "it serves", func() bool { return len(d.Status().Listeners) == 2 })
	if s := d.Status(); s.Ready || !strings.Contains(s.Degraded, "the data could not be moved to") || !strings.Contains(s.Degraded, "stays in the data folder") {
		t.Errorf("status says %+v", s)
	}
	h.ann.url = d.URL("chat")
	if got := h.ann.call(http.StatusOK, "GET", "/v1/blobs/"+file, ""); got.body != "other bytes" {
		t.Errorf("the attachment came back as %q", got.body)
	}
	h.say("tapirs")
	// Nobody else can begin in the new place.
	other := files(t, "config.hcl", homeConfig+block, "data/secrets/bucket-key", s3.SecretKey)
	if out := command(t, 1, other, "run", filepath.Join(other, "config.hcl")); !strings.Contains(out, "a move into it was begun") {
		t.Errorf("another node: %s", out)
	}
	bucket.Break(nil)
	d.Stop()
	d = testkit.Restart(t, d, testkit.App())
	wait.Until(t, "it is ready", func() bool { return d.Status().Ready })
	h.lives(d, 0)
	h.ann.call(http.StatusOK, "GET", "/v1/conversations/"+h.conv+"/messages", "").says(t, "lemurs", "tapirs")
}

// A move can be given up, and begun to another place.
func TestMigrateAbandon(t *testing.T) {
	t.Parallel()
	bucket := s3.Start(t)
	d := start(t, homeConfig)
	h := settle(t, d)
	d.Write("data/secrets/bucket-key", s3.SecretKey)
	d.Write("one.hcl", movedTo(t, bucket))
	d.Write("two.hcl", movedTo(t, bucket))
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "one.hcl")
	if out := command(t, 1, d.Dir, "migrate", d.File(), "--to", "two.hcl"); !strings.Contains(out, "go on with that one, or give it up with portico migrate --abandon") {
		t.Errorf("to another place: %s", out)
	}
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "one.hcl", "--abandon")
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "one.hcl", "--timeout", "1m")
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "one.hcl", "--abandon")
	command(t, 0, d.Dir, "migrate", d.File(), "--to", "two.hcl")
	d.Stop()
	d = testkit.RestartBinary(t, d, program(t))
	h.lives(d, 0)
}

// Root may move what another user has: everything is that user's afterwards, and he
// may open it.
func TestMigrateByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // there is no other user then
	}
	who, err := user.Lookup("postgres") // who may go where the server's socket is
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := number(t, who.Uid), number(t, who.Gid)
	block := movedTo(t, s3.Start(t))
	d := start(t, homeConfig)
	settle(t, d)
	d.Stop()
	d.Write("data/secrets/bucket-key", s3.SecretKey)
	d.Write("storage.hcl", block)
	data := filepath.Join(d.Dir, "data")
	if err := os.Chmod(d.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chmod(path, 0o700), os.Lchown(path, uid, gid))
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ option, config string }{{"--to=storage.hcl", homeConfig + block}, {"--home", homeConfig}} {
		command(t, 0, d.Dir, "migrate", d.File(), c.option)
		d.Write("config.hcl", c.config)
		if out := command(t, 0, d.Dir, "user", "list", "--config", d.File()); !strings.Contains(out, "ann") || !strings.Contains(out, "eve") {
			t.Errorf("the accounts after %s:\n%s", c.option, out)
		}
		if err := filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid || fi.Mode().Perm()&0o077 != 0 {
				t.Errorf("after %s %s belongs to %d and %d, mode %v", c.option, path, st.Uid, st.Gid, fi.Mode())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
