//go:build !linux

package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// There is no systemd, but whatever else may have set NOTIFY_SOCKET.
func (n *Notifier) sendWith(fds []int, lines ...string) error {
	if n == nil || n.socket == "" {
		return nil
	}
	if len(fds) > 0 {
		return errors.ErrUnsupported
	}
	c, err := net.DialTimeout("unixgram", n.socket, time.Second)
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

func (n *Notifier) barrier() error { return nil }
