package mux

import (
	"net"
	"sync"
	"time"
)

// maxGather is how much may wait for what follows it, in bytes: more than the
// header of an answer and the beginning of its body, as net/http writes them.
const maxGather = 8 << 10

var gatherBuffers = sync.Pool{New: func() any { return new([maxGather]byte) }}

// gathering is what waits to be written.
type gathering struct {
	buf *[maxGather]byte
	n   int
}

// Gather has short writes wait for the next one, so that the header of an answer
// and its body take one system call, and one packet where they fit. It returns
// the function that ends this and writes what waits. In between only the caller
// may write to the connection or hand it to somebody who does.
func (c *Conn) Gather() (end func() error) {
	c.gather = &gathering{buf: gatherBuffers.Get().(*[maxGather]byte)}
	return c.ungather
}

// Gathered reports whether something waits.
func (c *Conn) Gathered() bool { return c.gather != nil && c.gather.n > 0 }

func (c *Conn) ungather() error {
	g := c.gather
	c.gather = nil
	defer gatherBuffers.Put(g.buf)
	if g.n == 0 {
		return nil
	}
	_, err := c.Write(g.buf[:g.n])
	return err
}

// writeGathered writes b after what waits, or has it wait too.
func (c *Conn) writeGathered(g *gathering, b []byte) (int, error) {
	if len(b) <= len(g.buf)-g.n {
		g.n += copy(g.buf[g.n:], b)
		return len(b), nil
	}
	before := g.n
	n, err := c.writeAll(net.Buffers{g.buf[:before], b})
	g.n = 0 // an error ends the connection
	return max(0, n-before), err
}

// writeAll writes bufs with as few system calls as the kernel allows.
func (c *Conn) writeAll(bufs net.Buffers) (n int, err error) {
	step := func() (int64, error) {
		m, err := bufs.WriteTo(c.sock) // takes out of bufs what was written
		n += int(m)
		return m, err
	}
	if limit := time.Duration(c.guard.limit.Load()); limit > 0 {
		err = c.guarded(limit, step)
	} else {
		_, err = step()
	}
	c.moved(0, int64(n))
	return n, err
}

// flushBefore writes what waits, when a file follows: the kernel is told that
// more comes, so that it fills its packets.
func (c *Conn) flushBefore(tcp *net.TCPConn) error {
	g := c.gather
	if g == nil || g.n == 0 {
		return nil
	}
	b := g.buf[:g.n]
	g.n = 0
	b = b[sendMore(tcp, b):]
	if len(b) == 0 {
		return nil
	}
	_, err := c.writeAll(net.Buffers{b})
	return err
}
