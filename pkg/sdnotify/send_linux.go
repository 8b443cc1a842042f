package sdnotify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sendTimeout    = time.Second
	barrierTimeout = 5 * time.Second
)

// sendWith writes one datagram with descriptors, as sd_notify(3) asks. The
// socket is not connected: Go's own refuses descriptors on one that is.
func (n *Notifier) sendWith(fds []int, lines ...string) error {
	if n == nil || n.socket == "" {
		return nil
	}
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer unix.Close(s)
	wait := unix.NsecToTimeval(sendTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	to := &unix.SockaddrUnix{Name: n.socket}
	err = retry(func() error {
		return unix.Sendmsg(s, []byte(strings.Join(lines, "\n")), rights, to, unix.MSG_NOSIGNAL)
	})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// barrier waits until systemd has done what it was told before: it closes the
// descriptor that comes with this word.
func (n *Notifier) barrier() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("wait for systemd: %w", err)
	}
	defer unix.Close(p[0])
	err := n.sendWith(p[1:], "BARRIER=1")
	_ = unix.Close(p[1])
	if err != nil {
		return err
	}
	end := time.Now().Add(barrierTimeout)
	ready := 0
	err = retry(func() (err error) {
		left := max(time.Until(end), 0)
		ready, err = unix.Poll([]unix.PollFd{{Fd: int32(p[0])}}, int(left.Milliseconds()))
		return err
	})
	if err == nil && ready == 0 {
		err = unix.ETIMEDOUT
	}
	if err != nil {
		return fmt.Errorf("wait for systemd: %w", err)
	}
	return nil
}

// retry repeats a system call that a signal cut short.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
