package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hangs stops the process amid its work, as a machine or a bug can: the watchdog
// ends it, the next one starts, and who connected meanwhile is not refused.
func (d *driving) hangs() error {
	const dropIn = "/run/systemd/system/portico.service.d"
	if err := errors.Join(
		os.MkdirAll(dropIn, 0o755),
		os.WriteFile(dropIn+"/dog.conf", []byte("[Service]\nWatchdogSec=2\nTimeoutAbortSec=2\n"), 0o644),
		run("systemctl", "daemon-reload"), run("systemctl", "restart", "portico"),
	); err != nil {
		return err
	}
	was := show("MainPID")
	pid, err := strconv.Atoi(was)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop the process: %w", err)
	}
	var meanwhile counter
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		begun := time.Now()
		meanwhile.count(begun, once("tcp", web))
	}()
	if err := eventually("portico is started again", func() bool { return show("MainPID") != was && show("ActiveState") == "active" }); err != nil {
		return err
	}
	<-answered
	// systemd lets the process go on for a moment, to say where it hung: it can
	// accept then, and cut what it accepted.
	if m := meanwhile.take(); m.Refused+m.Failed > 0 {
		return fmt.Errorf("who came meanwhile: %q", m.Errors)
	}
	if err := eventually("the journal says that it was the watchdog", func() bool { return lines("result 'watchdog'") != "" }); err != nil {
		return err
	}
	return errors.Join(once("tcp", web), stored(sockets), os.RemoveAll(dropIn), run("systemctl", "daemon-reload"), run("systemctl", "restart", "portico"))
}

// killsInARow kills each process as soon as there is one, ready or not, more
// often than systemd's limit of starts allows by default.
func (d *driving) killsInARow() error {
	before, _ := strconv.Atoi(show("NRestarts"))
	for range d.plan.Often {
		was := show("MainPID")
		if err := killMain("portico"); err != nil {
			return err
		}
		if err := eventually("there is another process", func() bool { is := show("MainPID"); return is != was && is != "0" }); err != nil {
			return err
		}
	}
	if err := eventually("portico runs again", func() bool { return show("ActiveState") == "active" }); err != nil {
		return err
	}
	if after, _ := strconv.Atoi(show("NRestarts")); after != before+d.plan.Often {
		return fmt.Errorf("systemd started it again %d times, and it was killed %d times", after-before, d.plan.Often)
	}
	return errors.Join(once("tcp", web), stored(sockets))
}

// lines are those of portico's journal with a text.
func lines(text string) (found string) {
	for l := range strings.Lines(journal(5000)) {
		if strings.Contains(l, text) {
			found += l
		}
	}
	return found
}
