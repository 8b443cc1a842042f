package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/mux"
)

// An outbox is the end of a pair of sockets whose other end a store keeps for
// the next process. What is sent lies in the kernel until that process reads it.
type outbox struct {
	store Store
	name  string
	fd    int
}

// sendRoom is asked for as the size of the queue, in bytes; the kernel may give
// less (net.core.wmem_max). A message takes some 800.
const sendRoom = 4 << 20

// newOutbox makes one, and sees that the store has it: a store that is full says
// nothing.
func newOutbox(store Store) (*outbox, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	_ = unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, sendRoom)
	o := &outbox{store: store, name: frozenPrefix + strconv.FormatInt(time.Now().UnixNano(), 36), fd: pair[0]}
	err = store.Keep(o.name, descriptor(pair[1]))
	if err == nil {
		err = store.Flush()
	}
	closeFD(pair[1])
	if err == nil && hungUp(o.fd) {
		err = errors.New("the service manager did not keep the socket; is FileDescriptorStoreMax reached?")
	}
	if err != nil {
		return nil, errors.Join(err, o.close(false))
	}
	return o, nil
}

// hungUp says that nobody has the other end.
func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&unix.POLLHUP != 0
}

// send sends a letter with the connections that it is about. It does not wait,
// and the descriptors stay the caller's.
func (o *outbox) send(l letter, fds []int) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	fd, err := unix.MemfdCreate("portico-frozen", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "letter")
	defer file.Close()
	if _, err := file.Write(b); err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	rights := unix.UnixRights(append([]int{fd}, fds...)...)
	for {
		_, err = unix.SendmsgN(o.fd, []byte{frozenVersion}, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("send connections: %w", err)
	}
	return nil
}

// close closes this end; without keep the store's too.
func (o *outbox) close(keep bool) error {
	closeFD(o.fd)
	if keep {
		return nil
	}
	return o.store.Drop(o.name)
}

// A parcel is a message as it arrives.
type parcel struct {
	letter letter
	conns  []net.Conn // as many as came; the letter may know of more
	torn   error      // why the letter cannot be read; nothing is known of conns then
}

// receive reads the next message of an inbox, without waiting; io.EOF: there is
// none.
func receive(inbox *os.File) (p parcel, err error) {
	fds, err := receiveFDs(inbox)
	if err != nil || len(fds) == 0 {
		return p, err
	}
	paper := os.NewFile(uintptr(fds[0]), "letter")
	defer paper.Close()
	for _, fd := range fds[1:] {
		f := os.NewFile(uintptr(fd), "connection")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			c = nil // that place in the letter has nobody
		}
		p.conns = append(p.conns, c)
	}
	b, err := io.ReadAll(io.NewSectionReader(paper, 0, maxLetter))
	if err == nil {
		err = json.Unmarshal(b, &p.letter)
	}
	if err != nil {
		p.letter, p.torn = letter{}, fmt.Errorf("read a letter: %w", err)
	}
	return p, nil
}

func receiveFDs(inbox *os.File) (fds []int, err error) {
	rc, err := inbox.SyscallConn()
	if err != nil {
		return nil, err
	}
	var data [16]byte
	oob := make([]byte, unix.CmsgSpace(4*(frozenMost+1)))
	var on int
	cerr := rc.Control(func(fd uintptr) {
		for {
			_, on, _, _, err = unix.Recvmsg(int(fd), data[:], oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return nil, cerr
	case errors.Is(err, unix.EAGAIN), err == nil && on == 0:
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("receive connections: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:on])
	if err != nil {
		return nil, fmt.Errorf("receive connections: %w", err)
	}
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds, nil
}

// descriptor is a syscall.RawConn of a bare descriptor, which must stay open.
type descriptor int

func (d descriptor) Control(f func(uintptr)) error    { f(uintptr(d)); return nil }
func (d descriptor) Read(func(uintptr) bool) error    { return errors.ErrUnsupported }
func (d descriptor) Write(f func(uintptr) bool) error { return errors.ErrUnsupported }

// duplicate returns a descriptor of c's socket that c's Close leaves alone, and
// that no child inherits. It is the caller's.
func duplicate(c *mux.Conn) (fd int, err error) {
	if _, ok := c.NetConn().(*net.UnixConn); ok {
		return -1, fmt.Errorf("duplicate the descriptor of a connection: it is no TCP: %w", errors.ErrUnsupported)
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("duplicate the descriptor of a connection: %w", err)
	}
	cerr := rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, err); err != nil {
		return -1, fmt.Errorf("duplicate the descriptor of a connection: %w", err)
	}
	return fd, nil
}

// farewell writes the last bytes to a client, as far as there is room, and ends
// the stream. What the client said is read first: closing a socket with unread
// bytes resets the connection, and the last ones may be lost.
func farewell(fd int, b []byte) {
	_, _ = unix.SendmsgN(fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	var unread [16 << 10]byte
	for range 4 {
		if n, _, err := unix.Recvfrom(fd, unread[:], unix.MSG_DONTWAIT); n <= 0 || err != nil {
			return
		}
	}
}

func closeFD(fd int) { _ = unix.Close(fd) }

// monotonic is the kernel's clock that never jumps, in nanoseconds. All processes
// read the same.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot fail on Linux
	}
	return ts.Nano()
}

// tellLast is farewell for a connection.
func tellLast(c net.Conn, b []byte) {
	if sc, ok := c.(syscall.Conn); ok {
		if rc, err := sc.SyscallConn(); err == nil {
			_ = rc.Control(func(fd uintptr) { farewell(int(fd), b) }) // fails only when closed
		}
	}
}
