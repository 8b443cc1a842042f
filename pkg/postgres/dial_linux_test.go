package postgres

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A server that cannot be reached any more is away after some seconds, not after
// what the kernel waits by itself: a quarter of an hour.
func TestDialerGivesUpSoon(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := dialer().DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*watched).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for _, o := range []struct {
			name      string
			opt, most int
		}{{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 5000}, {"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, 5}, {"TCP_KEEPINTVL", unix.TCP_KEEPINTVL, 5}} {
			if v, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o.opt); err != nil || v <= 0 || v > o.most {
				t.Errorf("%s is %d, %v", o.name, v, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}
