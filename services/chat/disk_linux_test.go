package chat_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// No file of this process may grow beyond the log of the chat's database: a full
// disk, as far as the database can tell.
func TestFullDisk(t *testing.T) {
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
	old1, _ := a.do("GET", "/v1/conversations/"+conv+"/messages", "")
	limit(old)
	if status != 503 && status != 507 || !strings.Contains(body, "unavailable") && !strings.Contains(body, "no_space") {
		t.Errorf("a send to a full disk: %d %s", status, body)
	}
	if health != 503 || !strings.Contains(reason, "stored") {
		t.Errorf("health: %d %s", health, reason)
	}
	if old1 != 200 {
		t.Errorf("what is there cannot be read: %d", old1)
	}
	if got := a.say(conv, "amid", "x"); got.Dup || got.Seq != 2 {
		t.Errorf("the same message when there is room: %+v", got)
	}
	if e := s.next("event", isMessage).Ev; e.Seq != 2 || e.CID != "amid" {
		t.Errorf("pushed: %+v", e)
	}
	if health, body := a.do("GET", "/healthz", ""); health != 200 {
		t.Errorf("health: %d %s", health, body)
	}
}
