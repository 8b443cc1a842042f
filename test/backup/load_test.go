package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// What writers were told is stored.
type ledger struct {
	mu       sync.Mutex
	messages map[int64]message // by seq
	photos   []photo
	failures []error
	slowest  time.Duration // acknowledgement of a message
}

type message struct {
	text, blob string // blob: "" for none
	sum        [sha256.Size]byte
}

type photo struct {
	id, status, url string
	sum             [sha256.Size]byte // of what was served
}

// copy is what was acknowledged until now.
func (l *ledger) copy() (messages map[int64]message, photos []photo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages = map[int64]message{}
	for seq, m := range l.messages {
		messages[seq] = m
	}
	return messages, slices.Clone(l.photos)
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, err)
}

// await waits until so much is acknowledged.
func (l *ledger) await(t *testing.T, messages, photos int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		m, p, errs := len(l.messages), len(l.photos), l.failures
		l.mu.Unlock()
		switch {
		case m >= messages && p >= photos:
			return
		case len(errs) > 0:
			t.Fatal(errors.Join(errs...))
		case time.Now().After(deadline):
			t.Fatalf("only %d messages and %d photos", m, p)
		}
	}
}

// A scene is a daemon and those who write to it.
type scene struct {
	chat, photos string // addresses
	conv         string
	ledger       *ledger
}

// say sends messages, every fourth with an attachment.
func (s *scene) say(ctx context.Context, u *user) {
	for n := 0; ctx.Err() == nil; n++ {
		m := message{text: fmt.Sprintf("%s says %d", u.name, n)}
		body := map[string]any{"cid": u.name + "-" + strconv.Itoa(n), "text": m.text}
		if n%4 == 0 {
			content := make([]byte, 10_000)
			rand.Read(content)
			var up struct{ ID string }
			if err := u.ask(u.chat, "POST", s.chat+"/v1/blobs?name=a.bin", "application/octet-stream", content, &up); err != nil {
				s.ledger.fail(err)
				return
			}
			m.blob, m.sum = up.ID, sha256.Sum256(content)
			body["attachments"] = []string{up.ID}
		}
		var ack struct{ Seq int64 }
		began := time.Now()
		if err := u.json("POST", s.chat+"/v1/conversations/"+s.conv+"/messages", body, &ack); err != nil {
			s.ledger.fail(err)
			return
		}
		s.ledger.mu.Lock()
		s.ledger.slowest = max(s.ledger.slowest, time.Since(began))
		s.ledger.messages[ack.Seq] = m
		s.ledger.mu.Unlock()
	}
}

// regret sends attachments and deletes them again: bytes go all the time.
func (s *scene) regret(ctx context.Context, u *user, conv string) {
	for n := 0; ctx.Err() == nil; n++ {
		content := make([]byte, 5000)
		rand.Read(content)
		var up struct{ ID string }
		var ack struct{ Seq int64 }
		err := u.ask(u.chat, "POST", s.chat+"/v1/blobs?name=a.bin", "application/octet-stream", content, &up)
		if err == nil {
			err = u.json("POST", s.chat+"/v1/conversations/"+conv+"/messages", map[string]any{"cid": "r" + strconv.Itoa(n), "attachments": []string{up.ID}}, &ack)
		}
		if err == nil {
			err = u.json("DELETE", fmt.Sprintf("%s/v1/conversations/%s/messages/%d", s.chat, conv, ack.Seq), nil, nil)
		}
		if err != nil {
			s.ledger.fail(err)
			return
		}
	}
}

// show posts pictures.
func (s *scene) show(ctx context.Context, u *user) {
	for n := 1; ctx.Err() == nil; n++ {
		kind, body, err := picture(n)
		if err != nil {
			s.ledger.fail(err)
			return
		}
		var media struct{ ID, URL string }
		var status struct{ ID string }
		var served []byte
		err = u.ask(u.photos, "POST", s.photos+"/api/v2/media", kind, body, &media)
		if err == nil {
			err = u.ask(u.photos, "POST", s.photos+"/api/v1/statuses", "application/json", fmt.Appendf(nil, `{"status":"picture %d","media_ids":[%q]}`, n, media.ID), &status)
		}
		for deadline := time.Now().Add(patience); err == nil && media.URL == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			err = u.ask(u.photos, "GET", s.photos+"/api/v1/media/"+media.ID, "", nil, &media)
		}
		if err == nil {
			err = u.ask("", "GET", at(s.photos, media.URL), "", nil, &served)
		}
		if err != nil {
			s.ledger.fail(err)
			return
		}
		s.ledger.mu.Lock()
		s.ledger.photos = append(s.ledger.photos, photo{media.ID, status.ID, media.URL, sha256.Sum256(served)})
		s.ledger.mu.Unlock()
	}
}

// A taken is a backup and what it must have.
type taken struct {
	path     string
	messages map[int64]message
	photos   []photo
}

// TestUnderLoad makes backups of each form while messages, attachments and
// pictures come and go, and starts a fresh daemon on each of them: what was
// acknowledged before a backup began is there, whole, and nothing is torn.
func TestUnderLoad(t *testing.T) {
	d := testkit.StartBinary(t, program.Shipped(t), config)
	s := &scene{chat: d.URL("chat"), photos: d.URL("photos"), ledger: &ledger{messages: map[int64]message{}}}

	ann, bob := signUp(t, s.chat, s.photos, "ann"), signUp(t, s.chat, s.photos, "bob")
	conv := func(with string) string {
		var c struct{ ID string }
		if err := ann.json("POST", s.chat+"/v1/conversations", map[string]string{"kind": "direct", "with": with}, &c); err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	s.conv = conv("bob")
	self := conv("ann")

	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	t.Cleanup(writers.Wait)
	t.Cleanup(stop)
	for i, u := range []*user{ann, bob, ann, bob} {
		w := *u
		w.name = fmt.Sprintf("%s%d", u.name, i) // cids of its own
		before, _ := s.ledger.copy()
		writers.Go(func() { s.say(ctx, &w) })
		s.ledger.await(t, len(before)+1, 0)
	}
	writers.Go(func() { s.regret(ctx, ann, self) })
	writers.Go(func() { s.show(ctx, bob) })

	to := t.TempDir()
	var backups []taken
	for i, target := range []string{"a.tar.zst", "folder/", "b.tar", "folder/", "-"} {
		s.ledger.await(t, 40*(i+1), 2*(i+1))
		messages, photos := s.ledger.copy()
		name := filepath.Join(to, target)
		switch target {
		case "-":
			status, out, errs := run(t, d.Dir, nil, "backup", "-", "--temp", to)
			if status != 0 {
				t.Fatalf("status %d: %s", status, errs)
			}
			name = filepath.Join(to, "stream")
			if err := os.WriteFile(name, []byte(out), 0o600); err != nil {
				t.Fatal(err)
			}
		case "folder/":
			out := must(t, d.Dir, "backup", name+"/")
			if i > 1 && !strings.Contains(out, "shared with the backup before") {
				t.Errorf("the second one shares nothing: %s", out)
			}
			name, _, _ = strings.Cut(out, ": the data")
		default:
			must(t, d.Dir, "backup", name)
		}
		backups = append(backups, taken{name, messages, photos})
	}
	cursor := position(t, ann, s.chat)
	stop()
	writers.Wait()
	if err := errors.Join(s.ledger.failures...); err != nil {
		t.Fatalf("the daemon refused something: %v", err)
	}
	t.Logf("the slowest acknowledgement took %v", s.ledger.slowest)
	for _, b := range backups[1:] { // the first is tried by the form of the last
		judge(t, d, b, ann, bob, s.conv, cursor)
	}
}

// position is where a client's events are.
type where struct {
	Epoch  string
	Cursor int64
	Reset  bool
}

func position(t *testing.T, u *user, base string) (w where) {
	t.Helper()
	if err := u.ask(u.chat, "GET", base+"/v1/events", "", nil, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// judge restores a backup and looks at it through a fresh daemon.
func judge(t *testing.T, d *testkit.Daemon, b taken, ann, bob *user, conv string, old where) {
	t.Helper()
	fresh := testkit.StartBinary(t, program.Shipped(t), config)
	fresh.Stop()
	if err := os.RemoveAll(filepath.Join(fresh.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	must(t, fresh.Dir, "restore", b.path)
	fresh = testkit.RestartBinary(t, fresh, program.Shipped(t))
	defer fresh.Stop()
	chat, photos := fresh.URL("chat"), fresh.URL("photos")

	got := history(t, ann, chat, conv)
	for seq, want := range b.messages {
		m, ok := got[seq]
		if !ok || m.Text != want.text || (want.blob != "") != (len(m.Attachments) == 1) {
			t.Fatalf("%s: message %d is %+v, not %+v", b.path, seq, m, want)
		}
	}
	for seq, m := range got { // also what was acknowledged while the backup was made
		if seq > int64(len(got)) {
			t.Fatalf("%s: there are %d messages, and one is number %d", b.path, len(got), seq)
		}
		for _, a := range m.Attachments {
			var content []byte
			if err := bob.ask(bob.chat, "GET", at(chat, a.URL), "", nil, &content); err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(content); fmt.Sprintf("%x", sum) != a.SHA256 {
				t.Fatalf("%s: an attachment of message %d has changed", b.path, seq)
			}
			if want, ok := b.messages[seq]; ok && !bytes.Equal(sumOf(content), want.sum[:]) {
				t.Fatalf("%s: the attachment of message %d is another", b.path, seq)
			}
		}
	}
	for _, p := range b.photos {
		var served []byte
		err := bob.ask(bob.photos, "GET", photos+"/api/v1/statuses/"+p.status, "", nil, nil)
		if err == nil {
			err = ann.ask("", "GET", at(photos, p.url), "", nil, &served)
		}
		if err != nil || sha256.Sum256(served) != p.sum {
			t.Fatalf("%s: photo %s: %d bytes, %v", b.path, p.id, len(served), err)
		}
	}
	t.Logf("%s: %d messages, %d photos", filepath.Base(b.path), len(got), len(b.photos))
	catchUp(t, ann, chat, conv, old)
}

func sumOf(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

type stored struct {
	Seq         int64
	Text        string
	Attachments []struct{ URL, SHA256 string }
}

// history reads a whole conversation.
func history(t *testing.T, u *user, base, conv string) map[int64]stored {
	t.Helper()
	all := map[int64]stored{}
	for after := int64(0); ; {
		var page struct {
			Messages []stored
			More     bool
		}
		if err := u.ask(u.chat, "GET", fmt.Sprintf("%s/v1/conversations/%s/messages?limit=200&after=%d", base, conv, after), "", nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			all[m.Seq] = m
			after = m.Seq
		}
		if !page.More {
			return all
		}
	}
}

// catchUp comes back with a position from before the restore, which may lie in
// the future: it must be told to begin anew, and miss nothing from then on.
func catchUp(t *testing.T, u *user, base, conv string, old where) {
	t.Helper()
	var w where
	if err := u.ask(u.chat, "GET", fmt.Sprintf("%s/v1/events?epoch=%s&after=%d&wait=1", base, old.Epoch, old.Cursor), "", nil, &w); err != nil {
		t.Fatal(err)
	}
	if !w.Reset || w.Epoch == old.Epoch {
		t.Fatalf("after the restore a client is told %+v; it was at %+v", w, old)
	}
	socketResets(t, u, base, old, w.Epoch)
	if err := u.json("POST", base+"/v1/conversations/"+conv+"/messages", map[string]string{"cid": "after", "text": "after the restore"}, nil); err != nil {
		t.Fatal(err)
	}
	var next struct {
		Reset  bool
		Events []struct{ Type, Text string }
	}
	if err := u.ask(u.chat, "GET", fmt.Sprintf("%s/v1/events?epoch=%s&after=%d&wait=10", base, w.Epoch, w.Cursor), "", nil, &next); err != nil {
		t.Fatal(err)
	}
	if next.Reset || len(next.Events) == 0 || next.Events[0].Text != "after the restore" {
		t.Fatalf("from the new position come %+v", next)
	}
}
