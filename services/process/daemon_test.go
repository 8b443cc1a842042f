package process_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit"
)

// shop is a config with one program behind one port; options are of its block.
func shop(word, options string) string {
	return fmt.Sprintf("drain = \"5s\"\nservice \"process\" \"shop\" {\n%s\n}\nservice \"respond\" \"closed\" {\n}\n", body("http", options, "WORD", word)) +
		"listener \"shop\" {\n address = \"127.0.0.1:0\"\n service = service.process.shop\n}\n"
}

// The whole daemon: a program behind a port goes through reloads and the end.
func TestInTheDaemon(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), shop("one", ""))
	url, addr := d.URL("shop"), strings.TrimPrefix(d.Addr("shop"), "tcp:")
	fetch := func(want string) {
		t.Helper()
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); string(b) != want || err != nil {
			t.Errorf("%s %q %v", res.Status, b, err)
		}
	}
	connect := func() *socket {
		t.Helper()
		c := &socket{heard: make(chan string, 10)}
		conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr + "/ws"})
		if err != nil {
			t.Fatal(err)
		}
		c.Conn = conn
		go conn.ReadLoop()
		t.Cleanup(func() { _ = conn.NetConn().Close() })
		_ = c.WriteMessage(gws.OpcodeText, []byte("hi"))
		return c
	}
	hears := func(c *socket, want string) {
		t.Helper()
		if got := c.next(t); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	fetch("one")
	c := connect()
	hears(c, "one hi")

	d.Reload(shop("two", ""))
	hears(c, "close 1012")
	d.Eventually("the new one serves", func() bool { c = connect(); return c.next(t) == "two hi" })

	// A service that the file no longer has says so.
	d.Reload("service \"respond\" \"closed\" {}\nlistener \"shop\" {\n address = \"127.0.0.1:0\"\n service = service.respond.closed\n}\n")
	hears(c, "close 1001")
	d.Eventually("the program was ended", func() bool { return strings.Count(d.Log(), "signal terminated") >= 2 })

	d.Reload(shop("three", ""))
	fetch("three")
	c = connect()
	hears(c, "three hi")
	ended := make(chan int, 1)
	go func() { ended <- d.Stop() }()
	hears(c, "close 1012")
	_ = c.NetConn().Close()
	if status := <-ended; status != 0 {
		t.Errorf("status %d", status)
	}
}

// A program that is broken keeps nobody else from starting, and is shown.
func TestBrokenProgramInTheDaemon(t *testing.T) {
	t.Parallel()
	config := shop("one", "queue { timeout = \"50ms\" }") + "listener \"other\" {\n address = \"127.0.0.1:0\"\n service = service.respond.closed\n}\n"
	d := testkit.Start(t, testkit.App(), config)
	d.Stop()
	d.Write("config.hcl", strings.Replace(config, `"http"`, `"crash"`, 1))
	d = testkit.Restart(t, d, testkit.App())
	d.Eventually("the file is applied", func() bool { return d.Status().Generation > 0 })
	res, err := http.Get(d.URL("other"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res, err = http.Get(d.URL("shop")); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 503 {
		t.Error(res.Status)
	}
	d.Eventually("it says why", func() bool {
		s := d.Status()
		return !s.Ready && strings.Contains(s.Degraded, "ended with status 3")
	})
}

// The real front door: what is no HTTP, and what a client says of itself.
func TestFrontDoor(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), shop("one", ""))
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.URL("shop")+"/headers", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	req.Header.Set("X-Forwarded-Host", "evil.example.org")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if strings.Contains(string(b), "6.6.6.6") || strings.Contains(string(b), "evil") || !strings.Contains(string(b), "X-Request-Id: "+res.Header.Get("X-Request-Id")) {
		t.Errorf("%s", b)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(d.Addr("shop"), "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "\x00\x01 this is no HTTP")
	if b, err := io.ReadAll(c); len(b) > 0 || os.IsTimeout(err) {
		t.Errorf("%q %v", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.Dir, "data", "process", "*")); len(left) > 0 {
		t.Errorf("it wrote %v", left)
	}
}
