package attack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// onDisk has everything that is written on one disk, but for the admin socket.
const onDisk = `
data_dir = "%[1]s/data"
admin { socket = "data/admin.sock" }
log {
  access { file = "%[1]s/access.log" }
}
accounts { registration = "open" }
service "chat" "talk" {
  limits {
    sends = 1000000
    burst = 1000000
  }
}
service "respond" "hello" { body = "hello" }
listener "open" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
}
listener "talk" {
  address = "127.0.0.1:0"
  service = service.chat.talk
}
`

// TestDiskFullAndBack fills the disk under the whole program. What needs it is
// refused and said to be unwell; everything else is served; when there is room all
// goes on by itself, and what was acknowledged is there.
func TestDiskFullAndBack(t *testing.T) {
	disk := smallDisk(t, 24<<20)
	d := testkit.StartBinary(t, program.Shipped(t), fmt.Sprintf(onDisk, disk))
	p := join(t, d.URL("talk"))
	acked := 0
	send := func() (status int) {
		status = p.send(acked)
		if status == http.StatusOK { // one that was stored, and not acknowledged
			status = http.StatusCreated
		}
		if status == http.StatusCreated {
			acked++
		}
		return status
	}
	if status := send(); status != http.StatusCreated {
		t.Fatalf("a message: %d", status)
	}
	o := &others{}
	o.each(func() error { return visitOnce(d.Addr("open"), "203.0.113.1", 0) })
	k := &regular{addr: d.Addr("open"), as: "203.0.113.2"}
	o.each(k.request)

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	status := http.StatusCreated
	for n := 0; status == http.StatusCreated && n < 5000; n++ { // the log of the database has some room
		status = send()
	}
	if status != http.StatusServiceUnavailable && status != http.StatusInsufficientStorage {
		t.Errorf("a message with the disk full: %d", status)
	}
	d.Eventually("portico says that it is not ready", func() bool { return !d.Status().Ready })
	served := o.count()
	d.Eventually("others are served", func() bool { return o.count() > served+50 })

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d.Eventually("portico is ready again", func() bool { return d.Status().Ready })
	d.Eventually("messages are taken again", func() bool { return send() == http.StatusCreated })
	if got := o.end(); got.failed > 0 {
		t.Errorf("others: %v: %v", got, got.err)
	}
	if code := d.Stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	d = testkit.RestartBinary(t, d, program.Shipped(t))
	p.base = d.URL("talk")
	if stored := p.stored(); stored != acked {
		t.Errorf("%d messages were acknowledged, %d are there", acked, stored)
	}
}

// smallDisk mounts a disk of so many bytes, for which it takes root.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("this test mounts a small disk: run it as root")
	}
	dir, err := os.MkdirTemp("", "portico-disk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
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
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// A talker is somebody with a conversation.
type talker struct {
	t                 *testing.T
	base, token, conv string
}

// join makes two people and a conversation of theirs.
func join(t *testing.T, base string) *talker {
	t.Helper()
	p := &talker{t: t, base: base}
	var in struct{ Token string }
	for _, name := range []string{"bob", "alice"} {
		if status := p.call("POST", "/v1/accounts", map[string]string{"username": name, "password": "a password of length"}, &in); status/100 != 2 {
			t.Fatalf("an account: %d", status)
		}
	}
	p.token = in.Token
	var conv struct{ ID string }
	if status := p.call("POST", "/v1/conversations", map[string]string{"kind": "direct", "with": "bob"}, &conv); status/100 != 2 {
		t.Fatalf("a conversation: %d", status)
	}
	p.conv = conv.ID
	return p
}

func (p *talker) send(n int) (status int) {
	return p.call("POST", "/v1/conversations/"+p.conv+"/messages", map[string]string{"cid": fmt.Sprint("m", n), "text": strings.Repeat("x", 8000)}, nil)
}

// stored counts the messages that are there.
func (p *talker) stored() (n int) {
	for after := int64(0); ; {
		var page struct {
			Messages []struct{ Seq int64 }
			More     bool
		}
		if status := p.call("GET", fmt.Sprintf("/v1/conversations/%s/messages?after=%d&limit=200", p.conv, after), nil, &page); status != http.StatusOK {
			p.t.Fatalf("the messages: %d", status)
		}
		n += len(page.Messages)
		if !page.More {
			return n
		}
		after = page.Messages[len(page.Messages)-1].Seq
	}
}

func (p *talker) call(method, path string, in, out any) (status int) {
	p.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && out != nil && res.StatusCode/100 == 2 {
		err = json.Unmarshal(answer, out)
	}
	if err != nil {
		p.t.Fatalf("%s %s: %s %q: %v", method, path, res.Status, answer, err)
	}
	return res.StatusCode
}
