package echo

import (
	"context"
	"net"
	"time"
)

// ServePackets implements service.PacketHandler: every packet comes back.
func (s *Service) ServePackets(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	b := make([]byte, 64<<10)
	for {
		_ = c.SetReadDeadline(time.Now().Add(s.now.Load().IdleTimeout))
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
