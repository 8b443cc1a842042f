package mux

import (
	"net"
	"sync"

	"github.com/porticod/portico/pkg/nowait"
)

// maxNow is how much is written without Go's scheduler being told, in bytes: some
// 30 microseconds of copying.
const maxNow = 256 << 10

// A writeNow is one write of what a socket takes at once. They are used again and
// again, because a function that is handed to a RawConn would be allocated for each.
type writeNow struct {
	bufs [nowait.MaxVector][]byte
	k    int
	more bool
	n    int
	run  func(fd uintptr) bool
}

var writesNow = sync.Pool{New: func() any {
	w := new(writeNow)
	w.run = func(fd uintptr) bool {
		if w.k == 1 {
			w.n, _ = nowait.Write(int(fd), w.bufs[0], w.more) // what fails shows with the next write
		} else {
			w.n, _ = nowait.Writev(int(fd), w.bufs[:w.k], w.more)
		}
		return true // it does not wait: an ordinary write does
	}
	return w
}}

// writeNow writes what the socket takes at once, which most often is all, and says
// how much that was; 0 where something is wrong, or a deadline over.
func (c *Conn) writeNow(more bool, bufs ...[]byte) int {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	if size > maxNow || len(bufs) > nowait.MaxVector {
		return 0
	}
	w := writesNow.Get().(*writeNow)
	defer writesNow.Put(w)
	w.k, w.more, w.n = copy(w.bufs[:], bufs), more, 0
	_ = c.raw.Write(w.run)
	clear(w.bufs[:w.k])
	if w.n > 0 && c.guard.minRate.Load() > 0 {
		_ = c.guard.tooSlow(int64(w.n), 0, c.guard.window()) // nobody waited
	}
	return w.n
}

// consume takes n bytes out of bufs.
func consume(bufs net.Buffers, n int) net.Buffers {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs[0], bufs = nil, bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}
