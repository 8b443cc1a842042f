// Package admin is where a running daemon is steered and watched: HTTP over a
// unix socket that only the daemon's own user and root may use, and, if asked
// for, the dashboard and the metrics over TCP, for reading. It does not load,
// reload or count anything itself; it calls what it was given.
package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
)

// The limits of the admin server. Bodies are small, and nobody has to wait long
// for anything but a reload, a profile or a trace.
const (
	maxBody       = 1 << 20 // bytes of a request
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 60 * time.Second
	stopTimeout   = 2 * time.Second
	writeTimeout  = 30 * time.Second // of an answer over TCP; profiles, over the socket, take as long as was asked for
	maxTCP        = 64               // connections over TCP at a time; more wait
	maxViewers    = 16               // of the live view; more are refused
	maxLooks      = 4                // at a time, beside the live view
	lookEvery     = time.Second      // while somebody views
	eventTimeout  = 10 * time.Second // to send one view
	heartbeat     = 10 * time.Second // something is sent at least that often
)

// Options are what the pages show and do. Status, Sockets, Ready, Reload and
// Metrics are required.
type Options struct {
	Log     zerolog.Logger
	Status  func() daemon.Status
	Sockets func() []daemon.SocketInfo
	// Ready returns nil when everything is bound and all services can work.
	Ready func(context.Context) error
	// Reload loads the config file again and applies it; with dry it only
	// says what would change.
	Reload  func(ctx context.Context, dry bool) Reload
	Metrics prometheus.Gatherer
	// Users answers below /users; nil where there are no accounts.
	Users http.Handler

	readTimeout time.Duration // of a request; 0: readTimeout
}

// Reload is what came of a reload.
type Reload struct {
	OK          bool            `json:"ok"`
	Exit        int             `json:"exit"`                  // what `portico reload` exits with: 0 done, 1 preparing failed, 2 bad file
	Error       string          `json:"error,omitempty"`       // why preparing failed
	Text        string          `json:"text,omitempty"`        // the diagnostics for people
	Diagnostics json.RawMessage `json:"diagnostics,omitempty"` // the same for programs
	Plan        *daemon.Plan    `json:"plan,omitempty"`
	Changes     string          `json:"changes,omitempty"` // the plan for people
	Seconds     float64         `json:"seconds"`
}

// A Server answers on the socket and, while Listen says so, on a TCP address.
type Server struct {
	opts   Options
	hub    *watch.Hub
	looks  chan struct{} // a place for each look beside the hub's
	socket *http.Server
	ln     *socketListener

	mu   sync.Mutex // guards what follows
	tcp  *http.Server
	addr string // as configured; empty: none
	real string // as bound
}

// New returns a server that answers nowhere yet. Close ends it.
func New(opts Options) *Server {
	s := &Server{opts: opts, looks: make(chan struct{}, maxLooks)}
	s.hub = watch.NewHub(s.look, lookEvery, maxViewers)
	s.socket = s.server(s.private())
	s.socket.ConnContext = withPeer
	return s
}

func (s *Server) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(h, maxBody),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       cmp.Or(s.opts.readTimeout, readTimeout),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(s.opts.Log, "", 0),
	}
}

// ServeSocket starts to answer on the unix socket at path. The socket has mode
// 0600 from the moment it exists.
func (s *Server) ServeSocket(path string) error {
	ln, err := listenSocket(path)
	if err != nil {
		return err
	}
	s.ln = ln
	go s.serve(s.socket, ln)
	return nil
}

func (s *Server) serve(srv *http.Server, ln net.Listener) {
	if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.opts.Log.Error().Err(err).Str("address", ln.Addr().String()).Msg("the admin server ended")
	}
}

// Address is where the TCP pages are bound, and "" where they are not.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.real
}

// Listen binds addr for the TCP pages, in place of the address until now; an
// empty one means none. Nothing changes before commit is called; without it
// undo lets the new address go.
func (s *Server) Listen(ctx context.Context, addr string) (commit, undo func(), err error) {
	s.mu.Lock()
	same := addr == s.addr
	s.mu.Unlock()
	if same {
		return func() {}, func() {}, nil
	}
	if addr == "" {
		return func() { s.swap(nil, "", "") }, func() {}, nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("admin.address %s: %w", addr, err)
	}
	srv := s.server(s.public(ln.Addr()))
	srv.WriteTimeout = writeTimeout
	commit = func() {
		s.swap(srv, addr, ln.Addr().String())
		s.opts.Log.Info().Str("address", ln.Addr().String()).Msg("dashboard, metrics and health over HTTP")
		go s.serve(srv, netutil.LimitListener(ln, maxTCP))
	}
	return commit, func() { _ = ln.Close() }, nil
}

func (s *Server) swap(srv *http.Server, addr, bound string) {
	s.mu.Lock()
	old := s.tcp
	s.tcp, s.addr, s.real = srv, addr, bound
	s.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// Close ends everything. Who views is told; other requests in progress get a
// moment to be answered.
func (s *Server) Close() error {
	s.hub.Close(stopTimeout)
	s.swap(nil, "", "")
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := s.socket.Shutdown(ctx)
	if err != nil {
		err = s.socket.Close()
	}
	if s.ln != nil {
		s.ln.remove()
	}
	return err
}
