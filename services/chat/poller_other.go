//go:build !linux

package chat

// A poller is only where there is epoll. Without one every connection has a
// goroutine that waits for it.
type poller struct{}

func newPoller() (*poller, error) { return nil, nil }

func (*poller) arm(*wsConn) error { return nil }
func (*poller) remove(*wsConn)    {}
func (*poller) aside(func())      {}
func (*poller) close() error      { return nil }
