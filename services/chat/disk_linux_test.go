package chat_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/chat"
)

// mount mounts a file system that ends with the test; false where it may not.
func mount(t *testing.T, source, dir, fstype, options string) bool {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	switch err := syscall.Mount(source, dir, fstype, 0, options); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENODEV):
		t.Logf("mount %s: %v", fstype, err)
		return false
	case err != nil:
		t.Fatalf("mount %s: %v", fstype, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}

// startOn opens a chat in a folder that is there already.
func startOn(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, accounts: directory(t), dir: dir, cfg: chat.Type{}.Default()}
	w.open()
	t.Cleanup(w.close)
	return w
}

// noise is bytes that no other upload has.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return string(b)
}

// healthy waits until the service says that it is ready, or that it is not. Only
// asking must be enough: who is told that it is not sends nothing else.
func (p *person) healthy(want int) string {
	p.w.t.Helper()
	body := ""
	wait.Until(p.w.t, fmt.Sprint("health ", want), func() bool {
		var status int
		status, body = p.do("GET", "/healthz", "")
		return status == want
	})
	return body
}

// A disk that is full: nothing is acknowledged and nothing is there by halves,
// what is there can be read, and all goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if !mount(t, "tmpfs", dir, "tmpfs", "size=4m") {
		limitedFiles(t)
		return
	}
	w := startOn(t, dir)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	a.say(conv, "before", "x")
	old := a.upload("before.bin", []byte(noise(1000)))
	s := b.connect()
	files := w.files()
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)

	path, acked := "/v1/conversations/"+conv+"/messages", 0
	for n := 0; ; n++ { // what room the log has left
		status, body := a.do("POST", path, fmt.Sprintf(`{"cid":"fill-%d","text":%q}`, n, strings.Repeat("x", 8000)))
		if status == 201 {
			acked++
			continue
		}
		if status != 503 && status != 507 || !strings.Contains(body, "unavailable") && !strings.Contains(body, "no_space") || n > 2000 {
			t.Fatalf("a send to a full disk: %d %s", status, body)
		}
		break
	}
	if status, body := a.do("POST", "/v1/blobs", noise(20_000)); status != 503 && status != 507 {
		t.Errorf("an upload to a full disk: %d %s", status, body)
	}
	if reason := a.healthy(503); !strings.Contains(reason, "stored") {
		t.Errorf("the reason: %s", reason)
	}
	if w.files() != files {
		t.Errorf("%d files, %d before", w.files(), files)
	}
	if res, _ := a.get("/v1/blobs/" + old.ID); res.StatusCode != 200 {
		t.Errorf("an attachment cannot be read: %s", res.Status)
	}
	if status, body := a.do("POST", path, `{"cid":"before","text":"x"}`); status != 200 || !strings.Contains(body, `"dup":true`) {
		t.Errorf("what was acknowledged before: %d %s", status, body)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	a.healthy(200)
	if got := a.say(conv, "after", "x"); got.Dup || got.Seq != int64(acked+2) {
		t.Errorf("%d were acknowledged, the next is %+v", acked, got)
	}
	a.upload("after.bin", []byte(noise(1000)))
	for seq := range acked + 1 {
		if e := s.next("event", isMessage).Ev; e.Seq != int64(seq+2) {
			t.Fatalf("pushed: %+v in place of %d", e, seq+2)
		}
	}
	w.reopen()
	if h := a.conv(conv); h.LastSeq != int64(acked+2) {
		t.Errorf("%+v after a restart", h)
	}
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// limitedFiles is for who may not mount: no file of this process may grow beyond
// the log of the chat's database, a full disk as far as that can tell.
func limitedFiles(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	a.say(conv, "before", "x")
	s := b.connect()
	wal, err := os.Stat(filepath.Join(w.dir, "chat.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := func(r syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
	}
	limit(syscall.Rlimit{Cur: uint64(wal.Size()), Max: old.Max})
	defer limit(old)
	status, body := a.do("POST", "/v1/conversations/"+conv+"/messages", `{"cid":"amid","text":"x"}`)
	health, reason := a.do("GET", "/healthz", "")
	limit(old)
	if status != 503 && status != 507 {
		t.Errorf("a send to a full disk: %d %s", status, body)
	}
	if health != 503 || !strings.Contains(reason, "stored") {
		t.Errorf("health: %d %s", health, reason)
	}
	a.healthy(200)
	if got := a.say(conv, "amid", "x"); got.Dup || got.Seq != 2 {
		t.Errorf("the same message when there is room: %+v", got)
	}
	if e := s.next("event", isMessage).Ev; e.Seq != 2 || e.CID != "amid" {
		t.Errorf("pushed: %+v", e)
	}
}

// A folder of attachments on a disk that is mounted read-only amid it all.
func TestAttachmentsOnAReadOnlyDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chat")
	blobs := filepath.Join(dir, "blobs")
	mounted := mount(t, "tmpfs", blobs, "tmpfs", "size=4m")
	w := startOn(t, dir)
	a := w.join("alice")
	old := a.upload("before.bin", []byte(noise(1000)))
	readOnly := func(on bool) {
		flags := uintptr(syscall.MS_REMOUNT)
		if on {
			flags |= syscall.MS_RDONLY
		}
		if err := syscall.Mount("tmpfs", blobs, "tmpfs", flags, "size=4m"); err != nil {
			t.Fatalf("mount again: %v", err)
		}
	}
	want := "unavailable"
	if !mounted { // who may not mount takes the folder away
		want = "internal"
		readOnly = func(on bool) {
			from, to := blobs, blobs+".away"
			if !on {
				from, to = to, from
			}
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	readOnly(true)
	if status, body := a.do("POST", "/v1/blobs", noise(2000)); status/100 != 5 || !strings.Contains(body, want) {
		t.Errorf("an upload: %d %s", status, body)
	}
	if mounted {
		if reason := a.healthy(503); !strings.Contains(reason, "attachments cannot be stored") {
			t.Errorf("the reason: %s", reason)
		}
		if res, _ := a.get("/v1/blobs/" + old.ID); res.StatusCode != 200 {
			t.Errorf("what is there: %s", res.Status)
		}
	}
	a.say(a.with("alice"), "1", "messages are stored")
	readOnly(false)
	a.healthy(200)
	a.upload("after.bin", []byte(noise(2000)))
	if got := w.files(); got != 2 {
		t.Errorf("%d files of two uploads", got)
	}
}

// A file system that shuts down amid writes, as it does after an error of the
// device: what was acknowledged is there when it is mounted again.
func TestDiskThatGoesAway(t *testing.T) {
	parent := t.TempDir()
	dir, image := filepath.Join(parent, "chat"), filepath.Join(parent, "image")
	device, ok := ext4(t, image, dir)
	if !ok {
		t.Log("without a file system that can be aborted: TestFailingDisk stands for it")
		return
	}
	w := startOn(t, dir)
	a := w.join("alice")
	conv := a.with("alice")
	for i := range 20 {
		a.say(conv, fmt.Sprint(i), "x")
	}
	old := a.upload("before.bin", []byte(noise(100_000)))
	if out, err := exec.Command("mount", "-o", "remount,abort", dir).CombinedOutput(); err != nil {
		t.Fatalf("abort: %v: %s", err, out)
	}
	for i := range 3 {
		status, body := a.do("POST", "/v1/conversations/"+conv+"/messages", fmt.Sprintf(`{"cid":"late-%d","text":"y"}`, i))
		if status != 503 || !strings.Contains(body, "unavailable") {
			t.Errorf("a send: %d %s", status, body)
		}
	}
	if status, body := a.do("POST", "/v1/blobs", noise(2000)); status != 503 {
		t.Errorf("an upload: %d %s", status, body)
	}
	a.healthy(503)
	if got := strings.Count(a.texts(conv), "x"); got != 20 {
		t.Errorf("%d messages can be read", got)
	}
	w.http.Kill()
	_ = w.chat.Close() // it cannot tidy up
	w.http.Close()
	w.chat = nil
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", device, dir).CombinedOutput(); err != nil {
		t.Fatalf("mount again: %v: %s", err, out)
	}
	w.open()
	a.healthy(200)
	if got := a.texts(conv); strings.Count(got, "x") != 20 {
		t.Errorf("after it: %q", got)
	}
	for i := range 3 { // whether they were stored nobody knew
		if got := a.say(conv, fmt.Sprint("late-", i), "y"); got.Seq <= 20 {
			t.Errorf("%+v", got)
		}
	}
	if res, body := a.get("/v1/blobs/" + old.ID); res.StatusCode != 200 || len(body) != 100_000 {
		t.Errorf("the attachment: %s, %d bytes", res.Status, len(body))
	}
}

// ext4 makes a file system in a file and mounts it, where that can be done.
func ext4(t *testing.T, image, dir string) (device string, ok bool) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, bool) {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Logf("%v: %v: %s", args, err, out)
		}
		return string(bytes.TrimSpace(out)), err == nil
	}
	if _, ok := run("mkfs.ext4", "-q", "-F", image); !ok {
		return "", false
	}
	if device, ok = run("losetup", "--find", "--show", image); !ok {
		return "", false
	}
	t.Cleanup(func() { run("losetup", "--detach", device) })
	if _, ok := run("mount", device, dir); !ok {
		return "", false
	}
	t.Cleanup(func() { run("umount", "--lazy", dir) })
	return device, true
}
