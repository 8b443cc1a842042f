// Package process is the kind that runs any program as a supervised child and
// hands it requests and connections: started, given a place to listen, watched,
// restarted, replaced without a gap, and ended with everything that it started.
// It balances nothing over several children, speaks HTTP/1.1 to its child only,
// and follows no program that makes itself a daemon in a session of its own.
package process

import (
	"context"
	"fmt"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/relay"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct{}

// Config is the body of a service "process" block.
type Config struct {
	// Command is the program and its arguments, without a shell. A name without a
	// slash is looked for in PATH, a relative path in dir.
	Command []string `hcl:"command"`
	// Dir is the folder that the program runs in; without it the one that portico
	// runs in.
	Dir settings.Path `hcl:"dir,optional"`
	// Env is added to the program's environment, which otherwise holds PATH, HOME,
	// LANG and TZ of portico's, and what pass says.
	Env map[string]string `hcl:"env,optional"`
	// User that the program runs as, with the user's groups and HOME. portico must
	// be root for it, or have CAP_SETUID, CAP_SETGID and CAP_KILL.
	User string `hcl:"user,optional"`
	// Pass says how the program learns where to listen: "port" (PORT is a free
	// port and HOST 127.0.0.1), "socket" (PORT is the path of a unix socket that
	// nobody else can reach) or "fd" (descriptor 3 is a listening TCP socket,
	// LISTEN_FDS is 1).
	Pass string `hcl:"pass,optional"`
	// Raw lets connections through that are not HTTP, as they are. Nothing looks
	// into them: who speaks HTTP in one all the same gets past limits and access
	// log, and says of itself what it likes in X-Forwarded-For.
	Raw bool `hcl:"raw,optional"`
	// StopSignal asks the program to end, such as "SIGTERM" or "SIGINT". It goes
	// to the program itself, not to what it started.
	StopSignal string `hcl:"stop_signal,optional"`
	// StopTimeout is how long the program may take to end after the signal. Then
	// it is killed, and at its end everything in its process group.
	StopTimeout time.Duration `hcl:"stop_timeout,optional"`
	// Drain is how long a program that was replaced may go on with the requests
	// that it has, before it is asked to end.
	Drain time.Duration `hcl:"drain,optional"`
	// ResponseTimeout is how long the program may take to begin its answer to a
	// request that it has whole. Then the client gets 504.
	ResponseTimeout time.Duration `hcl:"response_timeout,optional"`
	// IdleTimeout closes a raw connection over which nothing went for so long,
	// neither up nor down.
	IdleTimeout time.Duration `hcl:"idle_timeout,optional"`
	// LogRate is how many lines of the program's output go into the log in a
	// second, with bursts of ten times as many. What is more is counted and left
	// out; 0 leaves out all.
	LogRate int `hcl:"log_rate,optional"`

	Health  Health  `hcl:"health,block"`
	Restart Restart `hcl:"restart,block"`
	Queue   Queue   `hcl:"queue,block"`
	Limits  Limits  `hcl:"limits,block"`
}

// Health says when the program counts as ready and as well.
type Health struct {
	// Path that is asked for with GET; any status from 200 to 399 is good. Without
	// it the program is well when it accepts a connection.
	Path string `hcl:"path,optional"`
	// Interval between two checks of a program that is ready.
	Interval time.Duration `hcl:"interval,optional"`
	// Timeout of one check.
	Timeout time.Duration `hcl:"timeout,optional"`
	// Failures in a row after which the program is replaced.
	Failures int `hcl:"failures,optional"`
	// StartTimeout is how long the program may take to become ready. Then it is
	// ended, and started again after a pause.
	StartTimeout time.Duration `hcl:"start_timeout,optional"`
}

// Restart says when a program that ended is started again.
type Restart struct {
	// Delay before the first start after an end; it doubles with each further one.
	Delay time.Duration `hcl:"delay,optional"`
	// MaxDelay is the longest pause.
	MaxDelay time.Duration `hcl:"max_delay,optional"`
	// Reset is how long a program that became ready must have run for the pause
	// to be the first again.
	Reset time.Duration `hcl:"reset,optional"`
	// Watch replaces the program when the file of the program, or a file that is
	// among its arguments, has changed and stayed so for a second.
	Watch bool `hcl:"watch,optional"`
}

// Queue bounds what waits while no program is ready.
type Queue struct {
	// Requests and raw connections that wait at most; what is more gets 503.
	Requests int `hcl:"requests,optional"`
	// Timeout is how long each waits; then it gets 503 too.
	Timeout time.Duration `hcl:"timeout,optional"`
}

// Limits are the kernel's limits for the program and what it starts, each for
// each process; 0 leaves what portico has.
type Limits struct {
	// Memory is the largest address space (RLIMIT_AS). Runtimes that reserve more
	// than they use, Node.js among them, need a lot of it.
	Memory settings.Size `hcl:"memory,optional"`
	// Files that may be open at a time (RLIMIT_NOFILE).
	Files int `hcl:"files,optional"`
	// CPU is the processor time after which the program is ended, and started
	// again (RLIMIT_CPU), in whole seconds.
	CPU time.Duration `hcl:"cpu,optional"`
}

// Kind implements service.Type.
func (Type) Kind() string { return "process" }

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		Pass: passPort, StopSignal: "SIGTERM", StopTimeout: 10 * time.Second, Drain: 10 * time.Second,
		ResponseTimeout: time.Minute, IdleTimeout: 10 * time.Minute, LogRate: 100,
		Health:  Health{Interval: 10 * time.Second, Timeout: 2 * time.Second, Failures: 3, StartTimeout: 30 * time.Second},
		Restart: Restart{Delay: 100 * time.Millisecond, MaxDelay: 30 * time.Second, Reset: 30 * time.Second},
		Queue:   Queue{Requests: 1000, Timeout: 10 * time.Second},
	}
}

// Probe asks for what the health check asks for. Of a program that takes raw
// connections nobody knows whether it speaks HTTP too.
func (Type) Probe(cfg Config) service.Probe {
	switch {
	case cfg.Health.Path != "":
		return service.Probe{Kind: service.ProbeHTTP, Path: cfg.Health.Path}
	case cfg.Raw:
		return service.Probe{Kind: service.ProbeConnect}
	}
	return service.Probe{Kind: service.ProbeHTTP, Path: "/"}
}

// Needs implements service.Needer.
func (Type) Needs(cfg Config) (n service.Needs) {
	if exe, err := cfg.executable(); err == nil {
		n.Files = []string{exe}
	}
	if cfg.User == "" {
		return n
	}
	n.User, n.Capabilities = cfg.User, needed(cfg.Pass == passSocket)
	if cfg.Pass == passSocket {
		n.Remedy = `With pass = "port" or "fd" it takes only ` + strings.Join(needed(false), ", ") + "."
	}
	return n
}

// Open starts the supervisor and does not wait for the program: one that is slow
// or broken must not keep the other services from starting. Requests wait for it,
// and Check tells.
func (Type) Open(_ context.Context, env service.Env, cfg Config) (*Service, error) {
	s := &Service{
		env: env, metrics: newMetrics(), gate: newGate(cfg.Queue), proxy: nil,
		updates: make(chan update), events: make(chan event), quit: make(chan struct{}), stopped: make(chan struct{}),
		trouble: errStarting,
	}
	s.proxy = s.newProxy()
	s.cfg.Store(&cfg)
	go newSupervisor(s, cfg).run()
	return s, nil
}

// Service is a supervised program. Its supervisor, one goroutine, starts and ends
// children; requests get theirs through the gate.
type Service struct {
	env     service.Env
	metrics *metrics
	gate    *gate
	proxy   *httputil.ReverseProxy
	loops   relay.Loops            // of raw connections
	cfg     atomic.Pointer[Config] // the wanted one

	updates chan update   // to the supervisor, which always takes them soon
	events  chan event    // from children to the supervisor
	quit    chan struct{} // closed by Close
	stopped chan struct{} // closed when the supervisor and all children ended

	mu      sync.Mutex
	trouble error // guarded by mu; what Check says
}

// Update implements service.Updater. What changes the program itself starts a new
// one beside the old, which serves until the new one is ready.
func (s *Service) Update(cfg Config) {
	u := update{cfg: cfg, done: make(chan struct{})}
	select {
	case s.updates <- u:
		<-u.done
	case <-s.stopped:
	}
}

// An update is what the supervisor is told by Update, which waits until it has
// taken note.
type update struct {
	cfg  Config
	done chan struct{}
}

// errStarting is what Check says until the first start succeeded or failed.
var errStarting = fmt.Errorf("the program is %w", service.ErrStarting)

// Check implements service.Checker. It waits for nothing: who looks at the daemon
// while a program starts wants to see that.
func (s *Service) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// setTrouble notes what Check says from now on; nil: all is well.
func (s *Service) setTrouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}

// Close ends the program, by its signal and after stop_timeout by force, and
// waits for it.
func (s *Service) Close() error {
	close(s.quit)
	<-s.stopped
	return s.loops.Close()
}
