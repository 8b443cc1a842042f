package chat

// BreakPoller has the kernel refuse to wait for connections that come.
func (c *Chat) BreakPoller() { c.poller.fd = -1 }
