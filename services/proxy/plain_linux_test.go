package proxy_test

import (
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// A small request over a connection that is there costs three system calls, seldom four, on
// the upstream's side: a look whether the connection is silent, a write, and a read
// when there is something.
func TestSystemCallsOfARequest(t *testing.T) {
	const requests = 50
	servicetest.Syscalls(t, "sendto,recvfrom,poll,ppoll", func(t *testing.T) {
		_, _, srv := open(t, one(named(t, "answer")))
		for range requests {
			if got := get(t, srv, "/"); got != "200 answer" {
				t.Fatal(got)
			}
		}
	}, func(t *testing.T, lines []string) {
		calls := map[string]int{}
		for _, l := range lines {
			for _, name := range []string{"sendto", "recvfrom", "poll"} {
				if strings.Contains(l, name+"(") || strings.Contains(l, name+" resumed") {
					calls[name]++
				}
			}
		}
		if calls["sendto"] < requests || calls["sendto"] > requests+2 || calls["recvfrom"] > 3*requests || calls["poll"] > 2 {
			t.Errorf("%v for %d requests, such as\n%s", calls, requests, strings.Join(lines[:min(len(lines), 20)], "\n"))
		}
	})
}
