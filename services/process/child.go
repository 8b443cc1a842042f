package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/ambient"
)

// A child is one start of the program, from fork to the end of its group.
type child struct {
	cfg      *Config // that it was started with
	ep       *endpoint
	log      zerolog.Logger
	pid      int
	started  time.Time
	settings atomic.Pointer[Config] // what holds now; the program is the same
	web      atomic.Pointer[http.Transport]

	life  context.Context // ends when the child ended or is asked to end
	leave context.CancelFunc

	ended chan struct{} // closed when its group is gone and its output was read
	exit  exit          // valid after ended

	mu     sync.Mutex
	reaped bool // guarded by mu: the id may be somebody else's

	// The gate's lock guards these.
	calls   int                  // requests and connections that it has
	idle    chan struct{}        // not nil once it gets no new ones; closed with the last
	streams map[*stream]struct{} // what would never end by itself

	outdated bool // the supervisor's: it is to be replaced
}

// An exit is how a program ended.
type exit struct {
	code   int    // -1 with a signal
	signal string // SIGKILL, or empty
	core   bool
	ran    time.Duration
}

func (e exit) String() string {
	switch {
	case e.signal != "" && e.core:
		return "it was ended by " + e.signal + ", with a core dump"
	case e.signal != "":
		return "it was ended by " + e.signal
	}
	return fmt.Sprintf("it ended with status %d", e.code)
}

// spawn starts the program at ep and returns once it was executed. exited is
// called before anything else when the program has ended.
func spawn(cfg *Config, ep *endpoint, log zerolog.Logger, out *output, exited func(*child)) (*child, error) {
	cmd, err := cfg.build(ep)
	if err != nil {
		return nil, err
	}
	streams, err := out.attach(cmd)
	if err != nil {
		return nil, err
	}
	c := &child{cfg: cfg, ep: ep, ended: make(chan struct{}), streams: map[*stream]struct{}{}}
	c.settings.Store(cfg)
	c.web.Store(newTransport(ep, cfg.ResponseTimeout))
	c.life, c.leave = context.WithCancel(context.Background())
	started := make(chan error)
	go c.live(cmd, streams, started, exited)
	err = <-started
	if err != nil {
		c.leave()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	c.pid, c.started = cmd.Process.Pid, time.Now()
	c.log = log.With().Int("pid", c.pid).Logger()
	streams.read(c.log)
	started <- nil
	return c, nil
}

// live is the child's own thread: the kernel kills the child when the thread
// that started it ends, so this one stays for as long as the child. Then it ends
// too, for it has given up rights that others have.
func (c *child) live(cmd *exec.Cmd, out *streams, started chan error, exited func(*child)) {
	runtime.LockOSThread()
	err := ambient.Renounce()
	if err == nil {
		err = cmd.Start()
	}
	out.started()
	if err != nil {
		out.close()
		started <- err
		return
	}
	started <- nil
	<-started           // c is complete
	_ = awaitEnd(c.pid) // where it fails, Wait below waits
	c.killGroup()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	err = cmd.Wait()
	c.exit = exitOf(cmd.ProcessState, err)
	c.exit.ran = time.Since(c.started)
	c.leave()
	exited(c)
	out.finish()
	c.web.Load().CloseIdleConnections()
	close(c.ended)
}

func exitOf(state *os.ProcessState, err error) exit {
	if state == nil {
		return exit{code: -1, signal: fmt.Sprintf("something unknown (%v)", err)}
	}
	e := exit{code: state.ExitCode()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.signal, e.core = unix.SignalName(ws.Signal()), ws.CoreDump()
	}
	return e
}

// killGroup kills everything that is left of the child's group.
func (c *child) killGroup() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	if err := syscall.Kill(-c.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		c.log.Error().Err(err).Msg("kill the program and what it started")
	}
}

// signal asks the child to do something.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	if err := syscall.Kill(c.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		c.log.Error().Err(err).Msg("signal the program")
	}
}

// burial is how long the kernel may take to end what was killed. It takes for ever
// where the program made itself somebody whom portico may not signal (sudo), or
// waits for a disk that does not answer.
const burial = 5 * time.Second

// stop ends the child: by its signal, after stop_timeout by force. It waits, and
// reports whether the child has ended.
func (c *child) stop() bool {
	c.leave()
	cfg := c.settings.Load()
	c.signal(unix.SignalNum(cfg.StopSignal))
	late := time.NewTimer(cfg.StopTimeout)
	defer late.Stop()
	select {
	case <-c.ended:
		return true
	case <-late.C:
	}
	c.log.Warn().Str("signal", cfg.StopSignal).Dur("after_ms", cfg.StopTimeout).Msg("the program did not end after its signal; it is killed")
	c.killGroup()
	late.Reset(burial)
	select {
	case <-c.ended:
		return true
	case <-late.C:
		c.log.Error().Msg("the program cannot be ended and is left behind; end it by its process id")
		return false
	}
}

// adopt makes cfg hold for a child whose program it does not change.
func (c *child) adopt(cfg *Config) {
	if old := c.settings.Swap(cfg); old.ResponseTimeout != cfg.ResponseTimeout {
		c.web.Swap(newTransport(c.ep, cfg.ResponseTimeout)).CloseIdleConnections()
	}
}
