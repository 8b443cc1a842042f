// Package sdnotify tells systemd how the daemon is doing: ready, reloading,
// stopping, alive; it gives it descriptors to keep for the next process, and
// takes over those that systemd passes. It does not know what they are.
package sdnotify

import (
	"strconv"
	"strings"
	"time"
)

// A Notifier sends states to the socket that systemd named. The zero value and
// nil send nothing, which is right wherever systemd did not start the process.
type Notifier struct {
	socket   string
	watchdog time.Duration
	store    int // see Store
}

// New reads NOTIFY_SOCKET, FDSTORE, WATCHDOG_USEC and WATCHDOG_PID with getenv. pid is
// the process's own: a watchdog that is meant for another one is ignored.
func New(getenv func(string) string, pid int) *Notifier {
	n := &Notifier{socket: getenv("NOTIFY_SOCKET"), store: storeSize(getenv)}
	if n.socket == "" {
		return n
	}
	if p := getenv("WATCHDOG_PID"); p != "" && p != strconv.Itoa(pid) {
		return n
	}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// Watchdog is how often Alive should be called, half of what systemd allows; 0
// where there is no watchdog.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog / 2
}

// Ready says that start or reload has ended and what the daemon does now.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that a reload began. The time goes into the same datagram:
// without it newer versions of systemd wait for ever.
func (n *Notifier) Reloading() error {
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonicMicros(), 10))
}

// Stopping says that the daemon is coming to its end.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1", "STATUS=stopping") }

// Status sets the line that `systemctl status` shows.
func (n *Notifier) Status(status string) error { return n.send("STATUS=" + oneLine(status)) }

// Extend asks for d from now, beyond what the unit allows for starting or
// stopping. It is to be repeated before d is over.
func (n *Notifier) Extend(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

// Alive feeds the watchdog.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// send writes one datagram. A full queue is waited for, but no longer than a
// second.
func (n *Notifier) send(lines ...string) error { return n.sendWith(nil, lines...) }

// oneLine keeps a status from smuggling in another assignment.
func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
