package relay

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// gulp is what a splice takes at most, and a pipe holds.
const gulp = 1 << 20

// A pipe holds bytes between two sockets.
type pipe struct{ r, w, held int }

// What is in the pool too long is collected, which closes it.
var pipePool sync.Pool

func getPipe() (*pipe, error) {
	if p, ok := pipePool.Get().(*pipe); ok {
		return p, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	// Who has too many pipes gets a smaller one: pipe(7).
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, gulp)
	p := &pipe{r: fds[0], w: fds[1]}
	runtime.SetFinalizer(p, (*pipe).close)
	return p, nil
}

// putPipe keeps an empty pipe. One in which bytes are left is nothing for others.
func putPipe(p *pipe) {
	if p.held == 0 {
		pipePool.Put(p)
		return
	}
	runtime.SetFinalizer(p, nil)
	p.close()
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}
