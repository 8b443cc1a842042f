package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	configFile = "/etc/portico/config.hcl"
	moved      = "127.0.0.1:8085"
)

// edges tries what happens seldom, without a load.
func (d *driving) edges() error {
	for _, e := range []struct {
		name string
		try  func() error
	}{
		{"a bad file at a restart", d.badFile},
		{"an upgrade with a bad file", d.upgradeWithBadFile},
		{"an upgrade of what is stopped", d.upgradeStopped},
		{"a start that fails", d.startFails},
		{"a stop that takes long", d.stopTakesLong},
		{"a process that hangs", d.hangs},
		{"kills in a row", d.killsInARow},
		{"a listener that goes", d.listenerGoes},
		{"a listener that goes while portico is down", d.listenerGoesDown},
		{"a socket unit", d.socketUnit},
		{"a program of another user", d.otherUser},
		{"secrets", d.secrets},
		{"pictures", d.pictures},
	} {
		if err := e.try(); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := d.use(d.config("the usual"), "reload"); err != nil {
			return fmt.Errorf("after %s: %w", e.name, err)
		}
	}
	return nil
}

// use writes the config file and has it loaded.
func (d *driving) use(text, how string) error {
	if err := os.WriteFile(configFile, []byte(text), 0o644); err != nil {
		return err
	}
	return run("systemctl", how, "portico")
}

// stored compares how many sockets systemd keeps.
func stored(want int) error {
	if got := show("NFileDescriptorStore"); got != strconv.Itoa(want) {
		return fmt.Errorf("systemd keeps %s sockets, want %d", got, want)
	}
	return nil
}

// badFile restarts with a file that has a mistake: the last good copy runs, on
// the same sockets, and a reload fails with the mistake.
func (d *driving) badFile() error {
	if err := d.use("listener {", "restart"); err != nil {
		return err
	}
	if err := run("systemctl", "reload", "portico"); err == nil {
		return errors.New("systemctl reload accepted a bad file")
	}
	return errors.Join(once("tcp", web), stored(sockets))
}

// startFails restarts with a port that is taken: clients wait until the file is
// good, and systemd tries again until then.
func (d *driving) startFails() error {
	ln, err := net.Listen("tcp", moved)
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := d.use(d.with(moved), "restart"); err == nil {
		return errors.New("portico started without its port")
	}
	answered := make(chan error, 1)
	go func() { answered <- once("tcp", web) }()
	restarts := func() int { n, _ := strconv.Atoi(show("NRestarts")); return n }
	before := restarts()
	if err := eventually("systemd tries again", func() bool { return restarts() > before+1 }); err != nil {
		return err
	}
	if err := stored(sockets); err != nil {
		return err
	}
	if err := os.WriteFile(configFile, []byte(d.config("repaired")), 0o644); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return fmt.Errorf("who waited: %w", err)
	}
	return eventually("portico runs again", func() bool { return show("ActiveState") == "active" })
}

// stopTakesLong restarts with a request that takes longer than the unit allows a
// stop to take: portico asks for more time, and says what it waits for.
func (d *driving) stopTakesLong() error {
	const (
		dropIn  = "/run/systemd/system/portico.service.d"
		allowed = 4 * time.Second
	)
	if err := errors.Join(
		os.MkdirAll(dropIn, 0o755),
		os.WriteFile(dropIn+"/hurry.conf", []byte("[Service]\nTimeoutStopSec="+allowed.String()+"\n"), 0o644),
		run("systemctl", "daemon-reload"),
	); err != nil {
		return err
	}
	d.load.slow.take()
	release := make(chan struct{})
	done := sync.OnceFunc(func() { close(release) })
	defer done()
	d.load.trickle(echo, release)
	if err := eventually("the request is under way", func() bool { return d.load.begun.Load() > 0 }); err != nil {
		return err
	}
	was := show("MainPID")
	if err := run("systemctl", "restart", "--no-block", "portico"); err != nil {
		return err
	}
	if err := eventually("systemctl status says what is waited for", func() bool {
		return strings.HasPrefix(show("StatusText"), "stopping: waiting for 1 request ")
	}); err != nil {
		return err
	}
	if err := eventually("the unit's time is over", func() bool { return time.Since(stopBegan()) > allowed+time.Second }); err != nil {
		return err
	}
	if is := show("MainPID"); is != was {
		return fmt.Errorf("process %s ended before the request: %s is there", was, is)
	}
	done()
	if err := eventually("the request ends", func() bool { return d.load.waiting.Load() == 0 }); err != nil {
		return err
	}
	if t := d.load.slow.take(); t.Failed+t.Refused+t.Cut > 0 {
		return fmt.Errorf("the request was cut: %v", t.Errors)
	}
	if err := eventually("portico runs again", func() bool { return show("ActiveState") == "active" }); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dropIn), run("systemctl", "daemon-reload"))
}

// upgradeWithBadFile installs a package over a file with a mistake: the old
// process goes on.
func (d *driving) upgradeWithBadFile() error {
	was := show("MainPID")
	if err := os.WriteFile(configFile, []byte("listener {"), 0o644); err != nil {
		return err
	}
	if err := d.unpack("b"); err != nil {
		return err
	}
	if is := show("MainPID"); is != was {
		return fmt.Errorf("process %s became %s", was, is)
	}
	return once("tcp", web)
}

// upgradeStopped installs a package while the administrator has portico stopped.
func (d *driving) upgradeStopped() error {
	if err := run("systemctl", "stop", "portico"); err != nil {
		return err
	}
	if err := d.unpack("a"); err != nil {
		return err
	}
	if is := show("ActiveState"); is != "inactive" {
		return errors.New("it is " + is)
	}
	// Nobody keeps its sockets: clients are refused, rather than kept waiting.
	if err := errors.Join(stored(0), awaitRefused(web), awaitRefused(chat)); err != nil {
		return err
	}
	return run("systemctl", "start", "portico")
}

// with is the usual config and one listener more.
func (d *driving) with(address string) string {
	return d.config("more") + `
listener "more" {
  address = "` + address + `"
  service = service.respond.web
}
`
}

// listenerGoes takes a listener away: nobody keeps its socket.
func (d *driving) listenerGoes() error {
	if err := d.use(d.with(moved), "reload"); err != nil {
		return err
	}
	if err := errors.Join(once("tcp", moved), stored(sockets+1)); err != nil {
		return err
	}
	if err := d.use(d.config("less"), "reload"); err != nil {
		return err
	}
	if err := awaitRefused(moved); err != nil {
		return err
	}
	return stored(sockets)
}

// listenerGoesDown changes an address to one that overlaps, and takes it away,
// between one process and the next.
func (d *driving) listenerGoesDown() error {
	for _, address := range []string{moved, strings.Replace(moved, "127.0.0.1", "", 1), "0.0.0.0:8085"} {
		if err := d.use(d.with(address), "restart"); err != nil {
			return err
		}
		if err := errors.Join(once("tcp", moved), stored(sockets+1)); err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
	}
	if err := d.use(d.config("less"), "restart"); err != nil {
		return err
	}
	return errors.Join(awaitRefused(moved), stored(sockets))
}

func awaitRefused(addr string) error {
	return eventually(addr+" takes no connections", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
}

// socketUnit binds a port by a .socket unit, which the config names too.
func (d *driving) socketUnit() error {
	unit := "[Socket]\nListenStream=" + moved + "\n[Install]\nWantedBy=sockets.target\n"
	if err := os.WriteFile("/etc/systemd/system/portico.socket", []byte(unit), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"stop", "portico"}, {"start", "portico.socket"}} {
		if err := run("systemctl", args...); err != nil {
			return err
		}
	}
	if err := os.WriteFile(configFile, []byte(d.with(moved)), 0o644); err != nil {
		return err
	}
	// The first connection starts the service.
	if err := errors.Join(once("tcp", moved), once("tcp", web), stored(sockets)); err != nil {
		return err
	}
	if err := run("systemctl", "restart", "portico"); err != nil {
		return err
	}
	if err := errors.Join(once("tcp", moved), stored(sockets)); err != nil {
		return err
	}
	if err := run("systemctl", "stop", "portico", "portico.socket"); err != nil {
		return err
	}
	if err := errors.Join(os.Remove("/etc/systemd/system/portico.socket"), run("systemctl", "daemon-reload")); err != nil {
		return err
	}
	return d.use(d.config("the usual"), "start")
}

// purge removes the package; nothing of it is left.
func (d *driving) purge() error {
	if err := run("dpkg", "--remove", "portico"); err != nil {
		return err
	}
	if _, err := os.Stat("/var/lib/portico/chat"); err != nil {
		return fmt.Errorf("removing the package removed data: %w", err)
	}
	if err := d.unpack("b"); err != nil {
		return err
	}
	if err := once("tcp", web); err != nil {
		return fmt.Errorf("installed again: %w", err)
	}
	if err := run("dpkg", "--purge", "portico"); err != nil {
		return err
	}
	left, err := exec.Command("find", "/", "-xdev", "-name", "*portico*", "-not", "-path", "/etc/systemd/system/portico-test.service").Output()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("purging the package left %s", left)
	}
	if out, err := exec.Command("getent", "passwd", "portico").Output(); err == nil {
		return fmt.Errorf("purging the package left the user %s", out)
	}
	return nil
}
