package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// follow reads for all receivers in one goroutine, until stop is called: a client
// of its own for each would take as much of the machine as the chat does.
func (c *crowd) follow() (stop func(), err error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("follow a crowd: %w", err)
	}
	fds := make([]int, len(c.conns))
	for i, conn := range c.conns {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			return nil, err
		}
		err = errors.Join(raw.Control(func(fd uintptr) {
			fds[i] = int(fd)
			err = syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fds[i], &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)})
		}), err)
		if err != nil {
			return nil, fmt.Errorf("follow a crowd: %w", err)
		}
	}
	ending, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer syscall.Close(ep)
		c.read(ep, fds, ending)
	}()
	return func() {
		close(ending)
		<-done
	}, nil
}

func (c *crowd) read(ep int, fds []int, ending chan struct{}) {
	const patience = 100 // ms
	events, buf := make([]syscall.EpollEvent, 512), make([]byte, 256<<10)
	for {
		select {
		case <-ending:
			return
		default:
		}
		n, err := syscall.EpollWait(ep, events, patience)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			c.fail(fmt.Errorf("follow a crowd: %w", err))
			return
		}
		for _, e := range events[:max(n, 0)] {
			head := copy(buf, c.early[e.Fd])
			n, err := syscall.Read(fds[e.Fd], buf[head:])
			if n <= 0 {
				c.fail(fmt.Errorf("a receiver ended: %w", err))
				return
			}
			whole := c.whole(buf[:head+n])
			c.early[e.Fd] = append(c.early[e.Fd][:0], buf[whole:head+n]...)
			c.heard(buf[:whole], time.Now())
		}
	}
}
