package relay

import (
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// piece is what is read and written by hand, with a copy that costs less than
	// what a splice does. More than that in a queue begins a stream.
	piece = 16 << 10
	// gulp is what a splice takes at most, and a pipe holds.
	gulp = 1 << 20
)

// Buffers are held only while there are bytes in them, and so are pipes: ten
// thousand silent connections hold none.
var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// A mover moves what one socket receives to another.
type mover struct {
	in, out syscall.RawConn

	streaming bool // the last move left more behind, as far as is known
	n         int  // what take took; 0: the end
	err       error
	buf       *[piece]byte // in which it is, or
	pipe      *pipe
	gone      int // what was written of buf
}

// newMover returns nil where the kernel cannot do it.
func newMover(dst, src net.Conn) *mover {
	in, out := rawConn(src), rawConn(dst)
	if in == nil || out == nil {
		return nil
	}
	return &mover{in: in, out: out}
}

func rawConn(c net.Conn) (raw syscall.RawConn) {
	switch s := c.(type) {
	case *net.TCPConn:
		raw, _ = s.SyscallConn()
	case *net.UnixConn:
		raw, _ = s.SyscallConn()
	}
	return raw
}

// run moves everything, and returns nil at the end of the source.
func (m *mover) run(note func(int)) error {
	take, write := m.take, m.write // bound once
	for {
		if err := m.in.Read(take); err != nil {
			return err
		}
		err := m.give(write)
		if err != nil || m.n == 0 {
			return err
		}
		note(m.n)
		m.streaming = m.n >= piece
	}
}

// take is for RawConn.Read; false: there is nothing yet, and nothing is held.
func (m *mover) take(fd uintptr) bool {
	if m.streaming {
		m.streaming = m.splice(int(fd))
	}
	if !m.streaming {
		m.read(int(fd))
	}
	if m.err == unix.EAGAIN { //nolint:errorlint // as the kernel says it
		m.drop()
		return false
	}
	return true
}

func (m *mover) read(fd int) {
	m.buf = pieces.Get().(*[piece]byte)
	m.n, m.err = again(func() (int, error) { return bare(unix.SYS_RECVFROM, fd, m.buf[:]) })
}

// write is for RawConn.Write.
func (m *mover) write(fd uintptr) bool {
	for m.gone < m.n {
		n, err := again(func() (int, error) { return bare(unix.SYS_SENDTO, int(fd), m.buf[m.gone:m.n]) })
		if err == unix.EAGAIN { //nolint:errorlint // as the kernel says it
			return false
		}
		if m.err = err; err != nil {
			break
		}
		m.gone += n
	}
	return true
}

// bare receives or sends without telling Go's scheduler, which would expect such
// a call to last: it does not wait for the peer, and where other processes want the processor too
// the scheduler's watch over many short calls costs a tenth of the time.
func bare(call uintptr, fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// splice takes bytes into a pipe; false: there is no pipe to be had.
func (m *mover) splice(fd int) bool {
	p, err := getPipe()
	if err != nil {
		return false
	}
	m.pipe = p
	m.n, m.err = again(func() (int, error) {
		n, err := unix.Splice(fd, nil, p.w, nil, gulp, unix.SPLICE_F_NONBLOCK)
		return int(n), err
	})
	p.held = max(m.n, 0)
	return true
}

// give passes on what was taken.
func (m *mover) give(write func(uintptr) bool) error {
	defer m.drop()
	if m.err != nil || m.n == 0 {
		return os.NewSyscallError("read", m.err)
	}
	if m.buf != nil {
		m.gone = 0
		if err := m.out.Write(write); err != nil {
			return err
		}
		return os.NewSyscallError("write", m.err)
	}
	for p := m.pipe; p.held > 0; {
		n, err := 0, error(nil)
		werr := m.out.Write(func(fd uintptr) bool {
			n, err = again(func() (int, error) {
				n, err := unix.Splice(p.r, nil, int(fd), nil, p.held, unix.SPLICE_F_NONBLOCK)
				return int(n), err
			})
			return err != unix.EAGAIN //nolint:errorlint // as the kernel says it
		})
		if werr != nil {
			return werr
		}
		if err != nil {
			return os.NewSyscallError("splice", err)
		}
		p.held -= n
	}
	return nil
}

// drop gives back what holds no bytes any more.
func (m *mover) drop() {
	if m.buf != nil {
		pieces.Put(m.buf)
		m.buf = nil
	}
	if m.pipe != nil {
		putPipe(m.pipe)
		m.pipe = nil
	}
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (n int, err error) {
	for {
		if n, err = f(); err != unix.EINTR { //nolint:errorlint // as the kernel says it
			return n, err
		}
	}
}

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

// kernelBytes is how many bytes came over a TCP connection plus how many its
// peer has acknowledged; 0 where the kernel does not tell.
func kernelBytes(c net.Conn) (n int64) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	rc, err := t.SyscallConn()
	if err != nil {
		return 0
	}
	_ = rc.Control(func(fd uintptr) { // fails only when closed
		if ti, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(ti.Bytes_received + ti.Bytes_acked)
		}
	})
	return n
}
