package chat

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// lingerTime is how long the client has to take the close frame. Closing at
	// once, with its bytes unread, would reset the connection and lose it.
	lingerTime = time.Second
	readSize   = 16 << 10 // read at a time, into a buffer that is shared
	blockSize  = 512      // read at a time where each connection has a buffer
)

// The phases of a connection.
const (
	wsOpen      = iota
	wsLingering // the close frame was sent; what comes is thrown away
	wsShut
)

// A wsConn is the transport of a WebSocket. A TCP connection that is idle is
// parked: nothing runs and nothing is buffered for it, but for what TLS itself
// keeps, until the poller says that there is something to read. Any other has a
// goroutine that waits for it.
type wsConn struct {
	net.Conn                 // of the HTTP server: the daemon's, or TLS over it
	raw      syscall.RawConn // of a socket that can be parked, else nil
	secure   bool            // Conn is TLS, and raw is what lies below
	slot     int32           // the poller's; -1: none
	busy     atomic.Bool     // it is being read
	phase    atomic.Uint32
	dec      decoder    // of who reads
	cmd      commander  // of who reads
	left     []byte     // of an offer: what could not be written yet
	limit    writeLimit // of TLS
	untrack  func()     // guarded by the session's lock
}

// newWSConn makes a connection and its session. It counts in c.work until its
// abort; the caller must count too.
func newWSConn(c *Chat, conn net.Conn, header *identity) *wsConn {
	c.work.Add(1)
	t := &wsConn{Conn: conn, slot: -1}
	if c.poller != nil {
		t.raw, t.secure = pollable(conn)
	}
	if t.plain() {
		t.slim()
	}
	t.cmd = commander{s: newSession(c, t), header: header}
	return t
}

// pollable returns the descriptor's handle of a TCP connection, also of one below
// TLS. It is nil for any other: what goes through a unix socket is counted by its
// Read and Write.
func pollable(conn net.Conn) (raw syscall.RawConn, secure bool) {
	if c, ok := conn.(*tls.Conn); ok {
		conn, secure = c.NetConn(), true
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, secure
	}
	bare := conn
	if u, ok := conn.(interface{ NetConn() net.Conn }); ok {
		bare = u.NetConn()
	}
	if _, ok := bare.(*net.TCPConn); !ok {
		return nil, secure
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, secure
	}
	return raw, secure
}

// slim has the connection take as little memory as it can, where its listener knows
// how: nobody waits for it but the poller.
func (t *wsConn) slim() {
	l, ok := t.Conn.(interface {
		Slim() error
		syscall.Conn
	})
	if !ok || l.Slim() != nil { // there are no descriptors left: it stays as it is
		return
	}
	if raw, err := l.SyscallConn(); err == nil {
		t.raw = raw
	}
}

// plain says that what the socket carries are the frames themselves.
func (t *wsConn) plain() bool { return t.raw != nil && !t.secure }

// tracked keeps what to call when the connection is no more.
func (t *wsConn) tracked(done func()) {
	t.cmd.s.mu.Lock()
	shut := t.phase.Load() == wsShut
	if !shut {
		t.untrack = done
	}
	t.cmd.s.mu.Unlock()
	if shut {
		done()
	}
}

// begin reads, first what came with the handshake.
func (t *wsConn) begin(head []byte) {
	t.busy.Store(true)
	c := t.cmd.s.chat
	if t.raw == nil {
		c.work.Go(func() { t.readOn(head) })
		return
	}
	if len(head) == 0 && !t.secure {
		t.park()
		return
	}
	c.work.Go(func() {
		t.take(head)
		if t.secure && t.readRecords(longAgo) != nil { // TLS may hold what came with it
			t.hungUp()
			return
		}
		t.park()
	})
}

// park lets go of the connection until there is something to read. Where the
// kernel does not take it, it gets a goroutine.
func (t *wsConn) park() {
	c := t.cmd.s.chat
	t.busy.Store(false)
	err := c.poller.arm(t)
	if err == nil || t.phase.Load() == wsShut || !t.busy.CompareAndSwap(false, true) {
		return
	}
	c.failures.Warn().Err(err).Msg("a connection cannot be parked")
	_ = t.SetReadDeadline(time.Time{}) // of records; where that fails, so does reading
	c.poller.aside(func() { t.readOn(nil) })
}

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// wake reads what there is, and parks again. The poller calls it, in a goroutine
// that may wait, one at a time.
func (t *wsConn) wake() {
	read := t.readPlain
	if t.secure {
		read = func() error { return t.readRecords(time.Now().Add(recordTime)) }
	}
	if read() != nil {
		t.hungUp()
		return
	}
	t.park()
}

// readPlain takes what there is.
func (t *wsConn) readPlain() error {
	buf := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buf)
	for {
		n, err := readNow(t.raw, buf[:])
		if n > 0 {
			t.take(buf[:n])
		}
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return err
		case n < len(buf):
			return nil
		}
	}
}

// readOn waits for one that cannot be parked. What comes is dealt with in
// another goroutine, so that the stack of this one, which lives as long as the
// connection, stays small.
func (t *wsConn) readOn(b []byte) {
	done := make(chan struct{})
	take := func() {
		t.take(b)
		done <- struct{}{}
	}
	buf := make([]byte, blockSize)
	for {
		if len(b) > 0 {
			go take()
			<-done
		}
		n, err := t.Read(buf)
		if b = buf[:n]; n == 0 && err != nil {
			t.hungUp()
			return
		}
	}
}

// take deals with bytes of the client.
func (t *wsConn) take(b []byte) {
	s := t.cmd.s
	if t.phase.Load() != wsOpen || s.over() {
		return
	}
	defer func() { // as net/http does for a request: a mistake ends one connection
		if v := recover(); v != nil {
			s.chat.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a command panicked")
			s.close(closeInternal, "internal error")
		}
	}()
	if err := t.dec.feed(b, t); err != nil {
		t.violated(err)
	}
}

func (t *wsConn) violated(err error) {
	v := &violation{closeInternal, "internal error"}
	errors.As(err, &v)
	t.cmd.s.close(v.code, v.reason)
}

// message implements receiver. Only whole messages are a sign of life: bytes that
// drip in could be anything.
func (t *wsConn) message(op byte, payload []byte) {
	t.cmd.s.received()
	switch {
	case t.cmd.s.over():
	case op != opText:
		t.cmd.s.close(closeUnsupported, "only text frames here")
	default:
		t.cmd.frame(payload)
	}
}

// control implements receiver.
func (t *wsConn) control(op byte, payload []byte) {
	switch op {
	case opPing:
		frame := appendFrame(nil, opPong, payload)
		t.cmd.s.reply(&item{kind: itemPong, data: frame, frame: frame})
	case opClose:
		code, err := closing(payload)
		if err != nil {
			t.violated(err)
			return
		}
		t.cmd.s.closedBy(code)
	}
}

// hungUp ends a connection of which nothing more will come.
func (t *wsConn) hungUp() {
	if t.phase.Load() == wsLingering {
		t.abort()
		return
	}
	t.cmd.s.gone()
}

// Close implements net.Conn, for the daemon: it cuts what takes too long to end.
func (t *wsConn) Close() error {
	t.abort()
	t.cmd.s.gone()
	return nil
}

// close implements transport: it ends our half and gives the client lingerTime to
// read what was written last.
func (t *wsConn) close() {
	if !t.phase.CompareAndSwap(wsOpen, wsLingering) {
		return
	}
	half, ok := t.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.abort()
		return
	}
	t.cmd.s.chat.wheel.add(t, lingerTime)
}

// tick implements ticker: the client had its time.
func (t *wsConn) tick(time.Time) time.Duration {
	t.abort()
	return 0
}

// abort implements transport. It may be called more than once.
func (t *wsConn) abort() {
	if t.phase.Swap(wsShut) == wsShut {
		return
	}
	s := t.cmd.s
	if t.raw != nil {
		s.chat.poller.remove(t)
	}
	_ = t.Conn.Close()
	s.mu.Lock()
	done := t.untrack
	s.mu.Unlock()
	if done != nil {
		done()
	}
	s.chat.forget(s)
	s.chat.work.Done()
}
