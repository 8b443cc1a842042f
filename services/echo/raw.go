package echo

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// ServeConn sends back what c sends until c has no more, then ends its own side.
// The bytes of a TCP connection stay in the kernel (splice).
func (s *Service) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()

	sock := kernelSocket(c)
	for {
		now := time.Now()
		if err := sock.SetReadDeadline(now.Add(s.now.Load().IdleTimeout)); err != nil {
			return
		}
		// A client that does not read gets longer: its bytes are in our hands
		// and would be lost.
		if err := sock.SetWriteDeadline(now.Add(2 * s.now.Load().IdleTimeout)); err != nil {
			return
		}
		n, err := io.Copy(sock, sock)
		if err == nil {
			break
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return // idle, or broken
		}
	}
	if half, ok := sock.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// kernelSocket unwraps c to what the kernel can copy from and to, if that is all
// there is to c. What NetConn returns of a TLS connection is not what it carries.
func kernelSocket(c net.Conn) net.Conn {
	if w, ok := c.(interface{ NetConn() net.Conn }); ok {
		switch sock := w.NetConn().(type) {
		case *net.TCPConn, *net.UnixConn:
			return sock
		}
	}
	return c
}
