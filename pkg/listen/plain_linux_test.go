package listen_test

import (
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/listen"
)

// A socket speaks TCP, not Multipath TCP, with which a new connection costs more, and
// those that it accepts ask now and then whether the other side is still there.
func TestSocketOptions(t *testing.T) {
	set := listen.New(zerolog.Nop())
	k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	raw, err := k.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct{ level, option, want int }{
		{unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		got, cerr := 0, error(nil)
		if err := raw.Control(func(fd uintptr) { got, cerr = unix.GetsockoptInt(int(fd), o.level, o.option) }); err != nil || cerr != nil || got != o.want {
			t.Errorf("option %d of level %d is %d, not %d; %v %v", o.option, o.level, got, o.want, err, cerr)
		}
	}
}
