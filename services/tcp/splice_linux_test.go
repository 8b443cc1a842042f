package tcp_test

import (
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

var moved = regexp.MustCompile(`splice[( ].*= (\d+)$`)

// The bytes never enter the process, in either direction, with TCP and unix
// upstreams.
func TestSpliceIsUsed(t *testing.T) {
	const size = 1 << 20
	for _, upstream := range []func(testing.TB, func(net.Conn)) string{backend, unixBackend} {
		name := "tcp"
		if strings.HasPrefix(upstream(t, mirror), "unix") {
			name = "unix"
		}
		t.Run(name, func(t *testing.T) {
			servicetest.Syscalls(t, "splice", func(t *testing.T) {
				// By hand, so that every splice is the relay's own.
				_, _, srv := open(t, config(upstream(t, func(c net.Conn) {
					b := make([]byte, size)
					_, _ = io.ReadFull(c, b)
					_, _ = c.Write(b)
				})))
				c := dial(t, srv.Addr)
				go func() { _, _ = c.Write(make([]byte, size)) }()
				if b, err := io.ReadAll(c); len(b) != size || err != nil {
					t.Errorf("%d bytes came back, %v", len(b), err)
				}
			}, func(t *testing.T, lines []string) {
				total := 0
				for _, l := range lines {
					if m := moved.FindStringSubmatch(l); m != nil {
						n, _ := strconv.Atoi(m[1])
						total += n
					}
				}
				// Into the pipe and out of it, in both directions.
				if total != 4*size {
					t.Errorf("splice moved %d bytes, not %d:\n%s", total, 4*size, strings.Join(lines, "\n"))
				}
			})
		})
	}
}
