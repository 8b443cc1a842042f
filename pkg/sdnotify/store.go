package sdnotify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// MaxName bounds the name of a stored descriptor, in bytes; systemd's own limit.
const MaxName = 255

var errName = errors.New("a name has 1 to 255 printable ASCII characters without a colon")

// Store is how many descriptors systemd keeps for the next process of the unit;
// 0: it keeps none, and Keep and Drop do nothing. It is what FDSTORE says, which
// systemd sets from version 254 on, and the unit for older ones.
func (n *Notifier) Store() int {
	if n == nil || n.socket == "" {
		return 0
	}
	return n.store
}

// storeSize reads FDSTORE.
func storeSize(getenv func(string) string) int {
	if v, err := strconv.Atoi(getenv("FDSTORE")); err == nil && v > 0 {
		return v
	}
	return 0
}

// Keep gives systemd a copy of a descriptor, under a name, for the next process
// of the unit; see Files. Giving one that it has already changes nothing. The
// caller's own copy stays as it is. That the store is full is not to be seen.
func (n *Notifier) Keep(name string, rc syscall.RawConn) error {
	if n.Store() == 0 {
		return nil
	}
	if !validName(name) {
		return fmt.Errorf("keep descriptor %q: %w", name, errName)
	}
	// FDPOLL=0: systemd would drop a socket that has an error pending, but only
	// the process can tell whether it is of use.
	var err error
	cerr := rc.Control(func(fd uintptr) {
		err = n.sendWith([]int{int(fd)}, "FDSTORE=1", "FDNAME="+name, "FDPOLL=0")
	})
	if err = errors.Join(cerr, err); err != nil {
		return fmt.Errorf("keep descriptor %q: %w", name, err)
	}
	return nil
}

// Drop makes systemd close what it keeps under a name, and returns when it has
// done so, at most barrierTimeout later. What it does not know is no error.
func (n *Notifier) Drop(name string) error {
	if n.Store() == 0 {
		return nil
	}
	if !validName(name) {
		return fmt.Errorf("drop descriptor %q: %w", name, errName)
	}
	if err := n.send("FDSTOREREMOVE=1", "FDNAME="+name); err != nil {
		return fmt.Errorf("drop descriptor %q: %w", name, err)
	}
	if err := n.barrier(); err != nil {
		return fmt.Errorf("drop descriptor %q: %w", name, err)
	}
	return nil
}

// Flush returns when systemd has done what it was told before, at most
// barrierTimeout later.
func (n *Notifier) Flush() error {
	if n.Store() == 0 {
		return nil
	}
	return n.barrier()
}

// validName follows systemd's fdname_is_valid.
func validName(s string) bool {
	return s != "" && len(s) <= MaxName && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 127 || r == ':'
	})
}
