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

// What comes in masses never enters the process, in either direction, with TCP
// and unix upstreams, and takes few system calls.
func TestSpliceIsUsed(t *testing.T) {
	const size = 8 << 20
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
				// Into the pipe and out of it, in both directions; what came in
				// pieces was read.
				if total < 4*size*9/10 || total > 4*size {
					t.Errorf("splice moved %d bytes, not %d", total, 4*size)
				}
				if most := 2 * size >> 20 * 24; len(lines) > most {
					t.Errorf("%d calls for %d MiB; %d are enough", len(lines), 2*size>>20, most)
				}
				t.Logf("%d calls for %d MiB, %.3f of it spliced", len(lines), 2*size>>20, float64(total)/(4*size))
			})
		})
	}
}
