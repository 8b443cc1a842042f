package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/cli"
)

// topArgs has the command line of a test binary that is to be portico.
const topArgs = "PORTICO_TEST_TOP"

// TestTopChild is portico itself, for tests that need it at a terminal.
func TestTopChild(t *testing.T) {
	args := os.Getenv(topArgs)
	if args == "" {
		return // it is a test like others: there is nothing to do
	}
	os.Exit(cli.Run(context.Background(), testkit.App(), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, strings.Fields(args)))
}

// A console is a terminal with portico at it.
type console struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd
	before *unix.Termios

	mu  sync.Mutex
	all bytes.Buffer // what was written to the terminal
}

// openPTY makes a pair of pseudo terminals.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		slave.Close()
		master.Close()
	})
	return master, slave
}

// sit runs portico at a terminal of that size.
func sit(t *testing.T, width, height uint16, args string) *console {
	t.Helper()
	c := &console{t: t}
	c.master, c.slave = openPTY(t)
	c.resize(width, height)
	c.before = c.settings()
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestTopChild$")
	c.cmd.Env = append(os.Environ(), topArgs+"="+args)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = c.slave, c.slave, c.slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	go c.read()
	return c
}

func (c *console) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.all.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *console) settings() *unix.Termios {
	c.t.Helper()
	s, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *console) resize(width, height uint16) {
	c.t.Helper()
	if err := unix.IoctlSetWinsize(int(c.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) press(keys string) {
	c.t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}

// screen is the last frame that was drawn whole.
func (c *console) screen() []string {
	frames := strings.Split(c.output(), "\x1b[H")
	for i := len(frames) - 1; i > 0; i-- {
		f, _, whole := strings.Cut(frames[i], "\x1b[J")
		if !whole {
			continue
		}
		for _, code := range []string{"\x1b[K", "\x1b[0m", "\x1b[1m", "\x1b[7m", "\x1b[31m"} {
			f = strings.ReplaceAll(f, code, "")
		}
		return strings.Split(f, "\r\n")
	}
	return nil
}

// sees waits until cond holds for the screen.
func (c *console) sees(what string, cond func(screen []string) bool) {
	c.t.Helper()
	for deadline := time.Now().Add(testkit.Patience); !cond(c.screen()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("never seen: %s\n%s\n--- raw\n%.2000q", what, strings.Join(c.screen(), "\n"), c.output())
		}
	}
}

func has(text string) func([]string) bool {
	return func(screen []string) bool { return strings.Contains(strings.Join(screen, "\n"), text) }
}

// left waits for the end and looks whether the terminal is as it was.
func (c *console) left(status int) {
	c.t.Helper()
	ended := make(chan struct{})
	go func() {
		_ = c.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(testkit.Patience):
		c.t.Fatalf("it does not end\n%s", strings.Join(c.screen(), "\n"))
	}
	if got := c.cmd.ProcessState.ExitCode(); got != status {
		c.t.Errorf("exit status %d, want %d", got, status)
	}
	if now := c.settings(); *now != *c.before {
		c.t.Errorf("the terminal's settings were %+v and are %+v", c.before, now)
	}
	for deadline := time.Now().Add(testkit.Patience); !strings.HasSuffix(c.output(), "\x1b[?25h\x1b[?1049l"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("the screen is not given back: %.200q", c.output()[max(0, len(c.output())-200):])
		}
	}
}

// At a terminal of 80 times 24, and of other sizes: everything fits, keys do
// what they say, and the terminal is left as it was.
func TestTopAtATerminal(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	c := sit(t, 80, 24, "top --admin "+d.Admin.Path())
	get(t, d.URL("web"))
	c.sees("the first rates", func(s []string) bool { return has("respond.hello")(s) && !has("requests -/s")(s) })
	fits := func(width, height int) func([]string) bool {
		return func(s []string) bool {
			if len(s) != height {
				return false
			}
			for _, l := range s {
				if len([]rune(l)) > width {
					return false
				}
			}
			return strings.HasPrefix(s[height-1], "q quit") && strings.HasPrefix(s[0], "portico ")
		}
	}
	c.sees("all of it in 80x24", fits(80, 24))
	c.sees("the head of the table", has("LISTENER"))
	c.press("s")
	c.sees("sorted by the first column", has("LISTENER*"))
	c.press("4")
	c.sees("connections", has("PEER"))
	c.sees("this one's own listener", has("127.0.0.1"))
	c.press("?")
	c.sees("help", has("the other way round"))
	c.press("\x1a") // nobody is there to take it up again, so it goes on at once
	c.press("?1")
	c.sees("the overview", has("ADDRESS"))
	c.resize(120, 40)
	c.sees("the larger screen", fits(120, 40))
	c.resize(40, 8)
	c.sees("the smallest screen", func(s []string) bool { return len(s) == 8 && strings.Contains(s[7], "more lines") })
	c.press("\x1b[99~x") // nobody's key
	c.press("q")
	c.left(0)
}

// A signal ends it as well as a key.
func TestTopIsTold(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		c := sit(t, 80, 24, "top --admin "+d.Admin.Path())
		c.sees("a view", has("respond.hello"))
		if err := c.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		c.left(0)
	}
}

// It outlives the daemon, and does not hold up its end.
func TestTopOverARestart(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	c := sit(t, 80, 24, "top --admin "+d.Admin.Path())
	c.sees("a view", has("respond.hello"))
	began := time.Now()
	if status := d.Stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the end took %v", took)
	}
	c.sees("that it is gone", has("trying again"))
	testkit.Restart(t, d, testkit.App())
	c.sees("the new one", func(s []string) bool { return has("respond.hello")(s) && !has("trying again")(s) })
	c.press("\x03")
	c.left(0)
}

// Without a daemon nothing is done to the terminal.
func TestTopWithoutADaemon(t *testing.T) {
	c := sit(t, 80, 24, "top --admin /nonexistent/sock")
	if err := c.cmd.Wait(); err == nil || c.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("got %v", err)
	}
	wait.Right(t, func() string {
		if out := c.output(); !strings.Contains(out, "no daemon answers at") {
			return fmt.Sprintf("it says %q", out)
		}
		return ""
	})
	if strings.Contains(c.output(), "\x1b[") {
		t.Errorf("it says %q", c.output())
	}
}

// A panic leaves a terminal on which it can be read.
func TestTopPanics(t *testing.T) {
	master, slave := openPTY(t)
	go func() { _, _ = bytes.NewBuffer(nil).ReadFrom(master) }() // somebody who reads
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	var said any
	func() {
		defer func() { said = recover() }()
		cli.AtTerminal(slave, func() { panic("a mistake") })
	}()
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if said != "a mistake" || *after != *before {
		t.Errorf("said %v; the terminal was %+v and is %+v", said, before, after)
	}
}

func TestKeys(t *testing.T) {
	for in, want := range map[string]string{
		"q": "[q]", "\x1b[A\x1b[B": "[up down]", "\x1bOA": "[up]", "\x1b": "[esc]", "\x1b[5~s": "[pgup s]",
		"\x1b[1;5C\x03": "[ctrl-c]", "\x1b[99~x": "[x]", "\t4": "[tab 4]", "\x1b[": "[]", "": "[]",
	} {
		if got := fmt.Sprint(cli.KeyNames(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"q", "\x1b[A", "\x1bO", "\x1b[1;5", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := cli.KeyNames(s); len(got) > len(s) {
			t.Errorf("%d keys of %d bytes", len(got), len(s))
		}
	})
}
