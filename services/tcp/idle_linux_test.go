package tcp_test

import (
	"runtime"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// A relay over which nothing goes is one goroutine, that which the contract wants: none
// waits at either of its sockets.
func TestGoroutinesOfIdleRelays(t *testing.T) {
	const relays = 100
	_, _, srv := open(t, config(backend(t, mirror)))
	talk := func() {
		c := dial(t, srv.Addr)
		send(t, c, "hello")
		expect(t, c, "hello")
	}
	talk() // the loops start
	before := runtime.NumGoroutine()
	for range relays {
		talk()
	}
	// The server behind, which is in this process too, has one for each as well.
	wait.Until(t, "no more than a goroutine for a relay", func() bool { return runtime.NumGoroutine()-before <= 2*relays })
}
