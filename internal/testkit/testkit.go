// Package testkit starts a portico for a test: from a config as text, in a
// folder of its own, on ports that the kernel picks. It makes no requests to
// services itself.
package testkit

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

// Patience is how long the kit waits for what must come.
const Patience = wait.Patience

// A Daemon is a portico that a test started. It ends with the test.
type Daemon struct {
	Dir   string        // config.hcl and data lie here
	Admin *admin.Client // to steer it

	t    testing.TB
	out  *buffer.Buffer // stdout and stderr
	quit func()         // asks it to end, gently
	kill func()
	done chan struct{}
	exit int // valid after done
	pid  int // of a process of its own; else 0
}

// App is the program as cmd/portico has it, with more kinds if wanted.
func App(more ...service.Kind) cli.App {
	shared := services.New()
	return cli.App{Kinds: service.NewRegistry(append(services.All(shared), more...)...), Shared: shared}
}

// Start runs a daemon in the process of the test, which is fast and sees the
// race detector, and waits until it is ready. files are more files for its
// folder: name, content, name, content.
func Start(t testing.TB, app cli.App, config string, files ...string) *Daemon {
	t.Helper()
	d := prepare(t, config, files)
	d.run(app)
	d.await(true)
	return d
}

// Restart runs a daemon once more in the folder of an earlier one, which must
// have ended. It waits until the daemon answers, ready or not.
func Restart(t testing.TB, earlier *Daemon, app cli.App) *Daemon {
	t.Helper()
	d := &Daemon{Dir: earlier.Dir, Admin: earlier.Admin, t: t, out: new(buffer.Buffer), done: make(chan struct{})}
	t.Cleanup(d.end)
	d.run(app)
	d.await(false)
	return d
}

// run starts the daemon in this process.
func (d *Daemon) run(app cli.App) {
	ctx, cancel := context.WithCancel(context.Background())
	d.quit, d.kill = cancel, cancel
	go func() {
		defer close(d.done)
		d.exit = cli.Run(ctx, app, cli.Streams{In: strings.NewReader(""), Out: d.out, Err: d.out}, []string{"run", d.File()})
	}()
}

// StartBinary runs a daemon as a process of its own. env is added to the
// environment.
func StartBinary(t testing.TB, bin, config string, env ...string) *Daemon {
	t.Helper()
	d := prepare(t, config, nil)
	d.spawn(bin, env, d.out)
	d.await(true)
	return d
}

// StartBinaryLogging is StartBinary with a daemon that logs to stderr, of which
// the test then knows nothing. It closes stderr.
func StartBinaryLogging(t testing.TB, bin, config string, stderr *os.File) *Daemon {
	t.Helper()
	d := prepare(t, config, nil)
	d.spawn(bin, nil, stderr)
	if err := stderr.Close(); err != nil { // the daemon has its own
		t.Error(err)
	}
	d.await(true)
	return d
}

// RestartBinary runs a daemon as a process once more in the folder of an earlier
// one, which must have ended, and waits until it is ready.
func RestartBinary(t testing.TB, earlier *Daemon, bin string, env ...string) *Daemon {
	t.Helper()
	d := &Daemon{Dir: earlier.Dir, Admin: earlier.Admin, t: t, out: new(buffer.Buffer), done: make(chan struct{})}
	t.Cleanup(d.end)
	d.spawn(bin, env, d.out)
	d.await(true)
	return d
}

// spawn starts the daemon as a process.
func (d *Daemon) spawn(bin string, env []string, stderr io.Writer) {
	d.t.Helper()
	cmd := exec.Command(bin, "run", d.File())
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.Dir, d.out, stderr
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.pid = cmd.Process.Pid
	d.quit = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	d.kill = func() { _ = cmd.Process.Kill() }
	go func() {
		defer close(d.done)
		_ = cmd.Wait()
		d.exit = cmd.ProcessState.ExitCode()
	}()
}

// PID is the process of a daemon that StartBinary or RestartBinary started.
func (d *Daemon) PID() int { return d.pid }

// Kill ends the daemon with SIGKILL, where it is a process, and waits until it
// is gone. What it had open is as a crash leaves it.
func (d *Daemon) Kill() {
	d.kill()
	<-d.done
}

func prepare(t testing.TB, config string, files []string) *Daemon {
	t.Helper()
	// Not t.TempDir(): with the name of the test in it the path of the admin
	// socket can become too long.
	dir, err := os.MkdirTemp("", "portico")
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{
		Dir: dir, t: t, out: new(buffer.Buffer), done: make(chan struct{}),
		Admin: admin.NewClient(filepath.Join(dir, "data", "admin.sock")),
	}
	t.Cleanup(d.end)
	d.Write("config.hcl", config)
	for i := 0; i+1 < len(files); i += 2 {
		d.Write(files[i], files[i+1])
	}
	return d
}

// end stops the daemon, if the test has not, and takes its folder away.
func (d *Daemon) end() {
	if d.quit != nil {
		d.Stop()
	}
	if d.t.Failed() {
		d.t.Logf("the daemon said:\n%s", d.Log())
	}
	if err := os.RemoveAll(d.Dir); err != nil {
		d.t.Error(err)
	}
}

// await waits until the daemon answers or, with ready, until it is ready. It
// fails the test when the daemon ends first.
func (d *Daemon) await(ready bool) {
	d.t.Helper()
	d.Eventually("the daemon is ready", func() bool {
		select {
		case <-d.done:
			d.t.Fatalf("the daemon ended with status %d before it was ready:\n%s", d.exit, d.Log())
		default:
		}
		s, err := d.Admin.Status(context.Background())
		return err == nil && (s.Ready || !ready)
	})
}

// Eventually waits until cond holds, and fails the test if it never does.
func (d *Daemon) Eventually(what string, cond func() bool) {
	d.t.Helper()
	wait.Until(d.t, what, cond)
}

// File is the path of the config file.
func (d *Daemon) File() string { return filepath.Join(d.Dir, "config.hcl") }

// Write writes a file in the daemon's folder, and the folders above it.
func (d *Daemon) Write(name, content string) {
	d.t.Helper()
	path := filepath.Join(d.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// Status is what the daemon says of itself.
func (d *Daemon) Status() daemon.Status {
	d.t.Helper()
	s, err := d.Admin.Status(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// Sockets are the live connections.
func (d *Daemon) Sockets() []admin.Socket {
	d.t.Helper()
	list, err := d.Admin.Sockets(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}

// Addr is the first address of a listener: host:port, or unix:path.
func (d *Daemon) Addr(listener string) string {
	d.t.Helper()
	return d.listener(listener).Addresses[0]
}

// URL is the first URL of a listener, without a slash at its end.
func (d *Daemon) URL(listener string) string {
	d.t.Helper()
	return strings.TrimSuffix(d.listener(listener).URLs[0], "/")
}

func (d *Daemon) listener(name string) daemon.ListenerStatus {
	d.t.Helper()
	for _, l := range d.Status().Listeners {
		if l.Name == name {
			return l
		}
	}
	d.t.Fatalf("there is no listener %q", name)
	return daemon.ListenerStatus{}
}

// Reload writes config.hcl and has the daemon load it.
func (d *Daemon) Reload(config string) admin.Reload {
	d.t.Helper()
	d.Write("config.hcl", config)
	r, err := d.Admin.Reload(context.Background(), false)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// Log is what the daemon wrote so far, log and all.
func (d *Daemon) Log() string { return d.out.String() }

// Find waits for a line of the log that pattern matches, and returns the match
// with its groups.
func (d *Daemon) Find(pattern string) []string {
	d.t.Helper()
	re := regexp.MustCompile(pattern)
	var m []string
	d.Eventually("the log has "+pattern, func() bool {
		m = re.FindStringSubmatch(d.Log())
		return m != nil
	})
	return m
}

// Stop ends the daemon gently and returns its exit status.
func (d *Daemon) Stop() int {
	d.t.Helper()
	d.quit()
	select {
	case <-d.done:
	case <-time.After(Patience):
		d.kill()
		d.t.Errorf("the daemon did not end within %v", Patience)
		return -1
	}
	return d.exit
}
