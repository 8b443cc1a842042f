package chat

import (
	"io"
	"sync"
	"syscall"

	"github.com/porticod/portico/pkg/nowait"
)

// A ready is one system call on a socket, which does not wait. They are used
// again and again, because a function that is handed to a RawConn would be
// allocated for each call. Control and not Read or Write, because those obey
// deadlines that were set for somebody else.
type ready struct {
	call func(fd int, b []byte) (int, error)
	b    []byte
	n    int
	err  error
	run  func(fd uintptr)
}

var readies = sync.Pool{New: func() any {
	r := new(ready)
	r.run = func(fd uintptr) { r.n, r.err = r.call(int(fd), r.b) }
	return r
}}

// atOnce makes a system call.
func atOnce(raw syscall.RawConn, call func(int, []byte) (int, error), b []byte) (n int, err error) {
	r := readies.Get().(*ready)
	r.call, r.b = call, b
	closed := raw.Control(r.run)
	n, err = r.n, r.err
	r.call, r.b, r.n, r.err = nil, nil, 0, nil
	readies.Put(r)
	if closed != nil {
		return 0, closed
	}
	return n, err
}

// readNow reads what there is; nothing is syscall.EAGAIN.
func readNow(raw syscall.RawConn, b []byte) (n int, err error) {
	if n, err = atOnce(raw, nowait.Read, b); n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// writeNow writes what there is room for; none is syscall.EAGAIN.
func writeNow(raw syscall.RawConn, b []byte) (n int, err error) { return atOnce(raw, write, b) }

func write(fd int, b []byte) (int, error) { return nowait.Write(fd, b, false) }

// roomNow says that the kernel takes some KiB without having anybody wait.
func roomNow(raw syscall.RawConn) bool {
	n, err := atOnce(raw, writable, nil)
	return err == nil && n > 0
}
