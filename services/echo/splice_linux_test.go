package echo_test

import (
	"io"
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// The bytes of a raw connection never enter the process.
func TestSpliceIsUsed(t *testing.T) {
	const size = 1 << 20
	servicetest.Syscalls(t, "splice", func(t *testing.T) {
		s, _ := open(t, nil)
		c := dial(t, servicetest.Raw(t, s).Addr)
		go func() {
			_, _ = c.Write(make([]byte, size))
			_ = c.CloseWrite()
		}()
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			t.Errorf("%d bytes came back, %v", n, err)
		}
	}, func(t *testing.T, lines []string) {
		moved := 0
		for _, l := range lines {
			if strings.Contains(l, "splice") && !strings.Contains(l, "= -1") && !strings.HasSuffix(l, "= 0") {
				moved++
			}
		}
		if moved < 2 {
			t.Errorf("no splice:\n%s", strings.Join(lines, "\n"))
		}
	})
}
