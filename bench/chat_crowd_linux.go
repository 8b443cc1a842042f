package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	fds, tails := make([]int, len(c.sockets)), make([][]byte, len(c.sockets))
	for i, s := range c.sockets {
		tails[i] = make([]byte, s.br.Buffered())
		if _, err := io.ReadFull(s.br, tails[i]); err != nil {
			return nil, err
		}
		raw, err := s.conn.(*net.TCPConn).SyscallConn()
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
		c.read(ep, fds, tails, ending)
	}()
	return func() {
		close(ending)
		<-done
	}, nil
}

func (c *crowd) read(ep int, fds []int, tails [][]byte, ending chan struct{}) {
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
			head := copy(buf, tails[e.Fd])
			n, err := syscall.Read(fds[e.Fd], buf[head:])
			if n <= 0 {
				c.fail(fmt.Errorf("a receiver ended: %w", err))
				return
			}
			whole := wholeFrames(buf[:head+n])
			tails[e.Fd] = append(tails[e.Fd][:0], buf[whole:head+n]...)
			c.times = append(c.times, c.heard(buf[:whole], time.Now())...)
		}
	}
}

// wholeFrames is how many bytes of b are frames that are complete.
func wholeFrames(b []byte) (n int) {
	for len(b)-n >= 2 {
		size := 2 + int(b[n+1]&0x7f)
		switch rest := b[n:]; {
		case b[n+1] == 126 && len(rest) >= 4:
			size = 4 + int(binary.BigEndian.Uint16(rest[2:]))
		case b[n+1] == 127 && len(rest) >= 10:
			size = 10 + int(binary.BigEndian.Uint64(rest[2:]))
		case b[n+1] >= 126:
			return n
		}
		if n+size > len(b) {
			return n
		}
		n += size
	}
	return n
}
