package syscalls_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

// A request over a connection that stays and its small answer take three: a read that
// finds nothing, after which is waited, the read, and one write of head and body.
func TestSystemCallsOfARequest(t *testing.T) {
	const n = 200
	c, addr := tracedConfig(t, `
service "respond" "r" { body = "answer" }
listener "t" {
  address = "127.0.0.1:0"
  service = service.respond.r
}
`)
	conn := dial(t, addr)
	defer conn.Close()
	br := bufio.NewReader(conn)
	talk := func(n int) {
		for range n {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); string(b) != "answer" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
		}
	}
	talk(1)
	c.after("sendto", 1)
	before := c.quiet()
	talk(n)
	got := c.after("sendto", before["sendto"]+n)
	for name := range got {
		got[name] -= before[name]
	}
	t.Logf("%d requests: %v", n, got)
	for name, most := range map[string]int{"all": 3, "sendto": 1, "recvfrom": 2, "epoll_ctl": 0, "setsockopt": 0, "getsockopt": 0} {
		if got[name] > most*n+n/10 { // what the daemon does besides, and who wakes in vain
			t.Errorf("%s: %d calls for %d requests; %d each are enough", name, got[name], n, most)
		}
	}
}
