package daemon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/service"
)

// lines is a kind whose connections send each line back; they can be frozen,
// even amid a line.
type lines struct{ *lineHooks }

// lineHooks let a test look on and interfere.
type lineHooks struct {
	before func()              // called by Freeze before it gives
	thaw   func(record []byte) // called by Thaw
}

type lineConfig struct {
	Stays  bool // nothing can be frozen
	Refuse bool // nothing can be thawed
}

type lineService struct {
	hooks *lineHooks
	env   service.Env
	cfg   lineConfig

	mu    sync.Mutex
	conns map[*lineConn]struct{}
}

type lineConn struct {
	net.Conn
	s       *lineService
	partial []byte // of the reader
	over    chan struct{}
	done    func()
}

func (lines) Kind() string        { return "lines" }
func (lines) Default() lineConfig { return lineConfig{} }
func (k lines) Open(_ context.Context, env service.Env, cfg lineConfig) (*lineService, error) {
	return &lineService{hooks: k.lineHooks, env: env, cfg: cfg, conns: map[*lineConn]struct{}{}}, nil
}

func (s *lineService) Close() error { return nil }

func (s *lineService) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_ = c.SetDeadline(time.Time{})
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	s.begin(c, nil)
}

func (s *lineService) begin(c net.Conn, partial []byte) {
	l := &lineConn{Conn: c, s: s, partial: partial, over: make(chan struct{})}
	s.mu.Lock()
	s.conns[l] = struct{}{}
	s.mu.Unlock()
	l.done = s.env.Track(l, func(code int) {
		_, _ = fmt.Fprintf(c, "drained with %d\n", code)
		_ = c.Close()
	})
	go l.run()
}

func (l *lineConn) run() {
	defer close(l.over)
	b := make([]byte, 1)
	for {
		if _, err := l.Read(b); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				l.end()
			}
			return
		}
		l.partial = append(l.partial, b[0])
		if b[0] == '\n' {
			_, _ = l.Write(l.partial)
			l.partial = nil
		}
	}
}

func (l *lineConn) end() {
	_ = l.Close()
	l.s.mu.Lock()
	delete(l.s.conns, l)
	l.s.mu.Unlock()
	l.done()
}

func (s *lineService) Freezes(c net.Conn) bool { _, ok := c.(*lineConn); return ok && !s.cfg.Stays }

func (s *lineService) Freeze(_ context.Context, give func(service.Frozen)) {
	s.mu.Lock()
	var all []*lineConn
	for l := range s.conns {
		all = append(all, l)
	}
	s.mu.Unlock()
	for _, l := range all {
		if !s.Freezes(l) {
			continue
		}
		_ = l.SetReadDeadline(time.Unix(1, 0))
		<-l.over
		if s.hooks.before != nil {
			s.hooks.before()
		}
		give(service.Frozen{Conn: l.Conn, Record: l.partial, Farewell: []byte("farewell\n")})
		l.end()
	}
}

func (s *lineService) Thaw(c net.Conn, record []byte) error {
	if s.hooks.thaw != nil {
		s.hooks.thaw(record)
	}
	if s.cfg.Refuse {
		return errors.New("not mine")
	}
	s.begin(c, record)
	return nil
}

// kept is a store as systemd is one.
type kept struct {
	mu    sync.Mutex
	files map[string]*os.File
	full  bool // takes nothing, and says nothing
}

func (k *kept) Keep(name string, rc syscall.RawConn) (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full {
		return nil
	}
	cerr := rc.Control(func(fd uintptr) {
		var dup int
		if dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			k.files[name] = os.NewFile(uintptr(dup), name)
		}
	})
	return errors.Join(cerr, err)
}

func (k *kept) Drop(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.files[name]; f != nil {
		delete(k.files, name)
		return f.Close()
	}
	return nil
}

func (k *kept) Flush() error { return nil }

// lose drops everything.
func (k *kept) lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, f := range k.files {
		_ = f.Close()
		delete(k.files, name)
	}
}

func (k *kept) names() (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name := range k.files {
		names = append(names, name)
	}
	return names
}

// pass is what the next process gets.
func (k *kept) pass(t *testing.T) (files []*os.File) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, f := range k.files {
		files = append(files, duplicate(t, f, name))
	}
	return files
}

func duplicate(t *testing.T, f *os.File, name string) (dup *os.File) {
	t.Helper()
	rc, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = rc.Control(func(fd uintptr) {
		n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		dup = os.NewFile(uintptr(n), name)
	})
	return dup
}

// A run is one process after another, with one store and one port.
type run struct {
	t       *testing.T
	store   *kept
	sockets *kept
	hooks   lineHooks
	dir     string
	metrics *prometheus.Registry
	now     *daemon.Daemon
}

func newRun(t *testing.T) *run {
	t.Helper()
	r := &run{t: t, dir: t.TempDir(), store: &kept{files: map[string]*os.File{}}, sockets: &kept{files: map[string]*os.File{}}}
	t.Cleanup(r.store.lose)
	t.Cleanup(r.sockets.lose)
	t.Cleanup(r.stop)
	return r
}

// config is a service of lines behind a listener of its name.
func (r *run) config(name string, cfg lineConfig, limit int) *config.Config {
	kind := service.KindOf(lines{&r.hooks})
	return &config.Config{
		File: "test.hcl", DataDir: r.dir, Drain: 5 * time.Second,
		Services: []service.Spec{{Kind: kind, Name: name, Config: cfg}},
		Listeners: []config.Listener{{
			Name: name, Addresses: []config.Address{{Network: "tcp", Host: "127.0.0.1"}}, Service: &service.Ref{Kind: "lines", Name: name},
			Detect:   config.Detect{Timeout: 3 * time.Second},
			Timeouts: config.Timeouts{Header: 5 * time.Second, Idle: 30 * time.Second, Read: 10 * time.Second, Write: 10 * time.Second},
			Limits:   config.Limits{Header: 64 << 10, Connections: limit},
		}},
	}
}

// start starts the next process. more is handed to it beside what is kept.
func (r *run) start(c *config.Config, more ...*os.File) {
	r.t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(r.t)).Level(zerolog.WarnLevel)
	sockets := listen.New(log)
	sockets.Keeper = r.sockets
	if err := sockets.Inherit(r.sockets.pass(r.t)...); err != nil {
		r.t.Fatal(err)
	}
	frozen, rest := daemon.Frozen(append(r.store.pass(r.t), more...))
	if len(rest) > 0 {
		r.t.Errorf("%d files are no connections", len(rest))
	}
	r.metrics = prometheus.NewRegistry()
	r.now = daemon.New(daemon.Options{Log: log, Metrics: r.metrics, Sockets: sockets, Version: "test", Store: r.store, Frozen: frozen})
	if _, err := r.now.Apply(r.t.Context(), c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) stop() {
	if r.now == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.now.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	r.now = nil
}

// thawed waits until so many connections went on, and so many did not.
func (r *run) thawed(on, lost int) {
	r.t.Helper()
	want := fmt.Sprintf(`# HELP portico_thawed_connections_total Connections taken over from the process before: those that go on, and those that were closed.
# TYPE portico_thawed_connections_total counter
portico_thawed_connections_total{result="lost"} %d
portico_thawed_connections_total{result="on"} %d
`, lost, on)
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if err = testutil.GatherAndCompare(r.metrics, strings.NewReader(want), "portico_thawed_connections_total"); err == nil && len(r.store.names()) == 0 {
			return
		}
	}
	r.t.Errorf("%v; the store has %q", err, r.store.names())
}

// A peer is a client.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (r *run) dial() *peer {
	r.t.Helper()
	addr := r.now.Status().Listeners[0].Addresses[0]
	c, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return &peer{r.t, c, bufio.NewReader(c)}
}

// connect is dial with the handshake.
func (r *run) connect() *peer {
	r.t.Helper()
	p := r.dial()
	p.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	p.hear("HTTP/1.1 101 Switching Protocols\r\n")
	p.hear("\r\n")
	return p
}

func (p *peer) say(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) hear(want string) {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if got, err := p.r.ReadString('\n'); got != want {
		p.t.Fatalf("heard %q, %v, want %q", got, err, want)
	}
}

func (p *peer) ended() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if got, err := p.r.ReadString('\n'); !errors.Is(err, io.EOF) || got != "" {
		p.t.Errorf("heard %q, %v, want the end", got, err)
	}
}

// A connection goes on, amid a line, in process after process; it stays what it
// was for limits and lists.
func TestConnectionsGoOn(t *testing.T) {
	r := newRun(t)
	c := r.config("a", lineConfig{}, 1)
	r.start(c)
	p := r.connect()
	p.say("one\nhalf ")
	p.hear("one\n")
	opened := r.now.Sockets()[0].Opened
	for i := range 3 {
		r.stop()
		p.say(fmt.Sprintf("said to nobody %d\n", i)) // it waits in the kernel
		r.start(c)
		r.thawed(1, 0)
		p.hear(map[bool]string{true: "half "}[i == 0] + fmt.Sprintf("said to nobody %d\n", i))
	}
	s := r.now.Sockets()
	if len(s) != 1 || s[0].Service != "lines.a" || s[0].Listener != "a" || s[0].Peer != p.LocalAddr().String() || s[0].Opened.Sub(opened).Abs() > time.Second || s[0].State.String() != "hijacked" || s[0].In == 0 {
		t.Errorf("sockets: %+v, opened %v", s, opened)
	}
	r.dial().ended() // the limit is one
	_ = p.Close()
	for end := time.Now().Add(patience); len(r.now.Sockets()) > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is still there")
		}
	}
	r.connect()
}

// A client behind a proxy stays the one that the PROXY header named.
func TestProxiedClientGoesOn(t *testing.T) {
	r := newRun(t)
	c := r.config("a", lineConfig{}, 0)
	c.Listeners[0].ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Listeners[0].Limits.PerIP = 1
	const header, request = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	r.start(c)
	p := r.dial()
	p.say(header + request)
	p.hear("HTTP/1.1 101 Switching Protocols\r\n")
	p.hear("\r\n")
	r.stop()
	r.start(c)
	r.thawed(1, 0)
	s := r.now.Sockets()
	if len(s) != 1 || s[0].Peer != "203.0.113.7:4711" || s[0].Via != p.LocalAddr().String() {
		t.Errorf("sockets: %+v", s)
	}
	q := r.dial()
	q.say(header)
	q.ended() // one connection of each address
	p.say("still here\n")
	p.hear("still here\n")
}

// Who cannot be frozen is told to come back, at once; so is everybody where
// nobody keeps connections.
func TestWhoCannotBeFrozenIsDrained(t *testing.T) {
	for _, full := range []bool{false, true} {
		r := newRun(t)
		r.store.full = full
		r.start(r.config("a", lineConfig{Stays: !full}, 0))
		p := r.connect()
		r.stop()
		p.hear("drained with 1012\n")
		p.ended()
		if n := r.store.names(); len(n) > 0 {
			t.Errorf("store full %v: it has %q", full, n)
		}
	}
}

// With whom nobody can go on is told farewell.
func TestFarewell(t *testing.T) {
	for name, change := range map[string]func(*run) *config.Config{
		"the service is gone":  func(r *run) *config.Config { return r.config("b", lineConfig{}, 0) },
		"the service refuses":  func(r *run) *config.Config { return r.config("a", lineConfig{Refuse: true}, 0) },
		"the listener is gone": func(r *run) *config.Config { c := r.config("a", lineConfig{}, 0); c.Listeners[0].Name = "c"; return c },
		"thawing panics": func(r *run) *config.Config {
			r.hooks.thaw = func([]byte) { panic("on purpose") }
			return r.config("a", lineConfig{}, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			r.start(r.config("a", lineConfig{}, 0))
			p := r.connect()
			r.stop()
			r.start(change(r))
			p.hear("farewell\n")
			p.ended()
			r.thawed(0, 1)
			if n := len(r.now.Sockets()); n > 0 {
				t.Errorf("%d connections are counted still", n)
			}
		})
	}
}

// What keeps connections is lost amid it: then they are told farewell at once.
func TestStoreFailsAmidFreezing(t *testing.T) {
	r := newRun(t)
	r.hooks.before = r.store.lose
	r.start(r.config("a", lineConfig{}, 0))
	p, q := r.connect(), r.connect()
	r.stop()
	for _, p := range []*peer{p, q} {
		p.hear("farewell\n")
		p.ended()
	}
}

// letter sends a message as another program might, with connections, and returns
// what the next process is handed.
func (r *run) letter(name, paper string, conns ...*os.File) *os.File {
	r.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer unix.Close(pair[0])
	r.post(pair[0], paper, conns...)
	return os.NewFile(uintptr(pair[1]), name)
}

// post sends one message.
func (r *run) post(to int, paper string, conns ...*os.File) {
	r.t.Helper()
	memory, err := os.CreateTemp(r.dir, "letter")
	if err != nil {
		r.t.Fatal(err)
	}
	defer memory.Close()
	if _, err := memory.WriteString(paper); err != nil {
		r.t.Fatal(err)
	}
	fds := []int{int(memory.Fd())}
	for _, c := range conns {
		fds = append(fds, int(c.Fd()))
		defer c.Close()
	}
	if err := unix.Sendmsg(to, []byte("x"), unix.UnixRights(fds...), nil, 0); err != nil {
		r.t.Fatal(err)
	}
}

// pair is a TCP connection: the client's end, and the file of the other.
func pair(t *testing.T) (*peer, *os.File) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	return &peer{t, c, bufio.NewReader(c)}, f
}

// Letters of other programs, of long ago and broken ones end in a farewell where
// it can be read, and never in more than a closed connection.
func TestStrangeLetters(t *testing.T) {
	conn := map[string]any{"kind": "lines", "name": "a", "listener": "a", "opened": time.Now(), "farewell": []byte("farewell\n"), "record": []byte{}}
	write := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		paper    string
		on       bool
		farewell bool
	}{
		"as it should be":      {write(map[string]any{"v": 1, "at": now.Nano(), "conns": []any{conn}}), true, false},
		"of a newer program":   {write(map[string]any{"v": 2, "at": now.Nano(), "conns": []any{conn}, "more": 1}), false, true},
		"too old":              {write(map[string]any{"v": 1, "at": now.Nano() - 61e9, "conns": []any{conn}}), false, true},
		"not about everybody":  {write(map[string]any{"v": 1, "at": now.Nano(), "conns": []any{}}), false, false},
		"about more than came": {write(map[string]any{"v": 1, "at": now.Nano(), "conns": []any{conn, conn, conn}}), true, false},
		"garbage":              {"\x00{", false, false},
		"empty":                {"", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			p, f := pair(t)
			r.start(r.config("a", lineConfig{}, 0), r.letter("frozen-test", c.paper, f))
			if c.on {
				p.say("hello\n")
				p.hear("hello\n")
				return
			}
			if c.farewell {
				p.hear("farewell\n")
			}
			p.ended()
		})
	}
}

// A letter that cannot be read is the end of its own connections only.
func TestTornLetter(t *testing.T) {
	r := newRun(t)
	box, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(map[string]any{"v": 1, "at": now.Nano(), "conns": []any{
		map[string]any{"kind": "lines", "name": "a", "listener": "a", "opened": time.Now(), "record": []byte{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var peers []*peer
	for _, paper := range []string{string(good), "\x00{", string(good)} {
		p, f := pair(t)
		peers = append(peers, p)
		r.post(box[0], paper, f)
	}
	_ = unix.Close(box[0])
	r.start(r.config("a", lineConfig{}, 0), os.NewFile(uintptr(box[1]), "frozen-test"))
	for _, p := range []*peer{peers[0], peers[2]} {
		p.say("hello\n")
		p.hear("hello\n")
	}
	peers[1].ended()
	r.thawed(2, 1)
}

// Where several processes left connections, those who wait longest come first.
func TestOldestFirst(t *testing.T) {
	r := newRun(t)
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	var letters []*os.File
	for _, name := range []string{"frozen-2", "frozen-1", "frozen-3"} {
		_, f := pair(t)
		b, err := json.Marshal(map[string]any{"v": 1, "at": now.Nano(), "conns": []any{
			map[string]any{"kind": "lines", "name": "a", "listener": "a", "opened": time.Now(), "record": []byte(name)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, r.letter(name, string(b), f))
	}
	order := make(chan string, len(letters))
	r.hooks.thaw = func(record []byte) { order <- string(record) }
	r.start(r.config("a", lineConfig{}, 0), letters...)
	for _, want := range []string{"frozen-1", "frozen-2", "frozen-3"} {
		select {
		case got := <-order:
			if got != want {
				t.Errorf("thawed %s, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatal("nothing is thawed")
		}
	}
}

// A process that is told to stop while it thaws leaves the rest to the next.
func TestStopAmidThawing(t *testing.T) {
	r := newRun(t)
	r.start(r.config("a", lineConfig{}, 0))
	const n = 300 // more than one message
	var peers [n]*peer
	for i := range peers {
		peers[i] = r.connect()
	}
	r.stop()
	thawing, goOn := make(chan struct{}, n), make(chan struct{})
	r.hooks.thaw = func([]byte) { thawing <- struct{}{}; <-goOn }
	r.start(r.config("a", lineConfig{}, 0))
	<-thawing
	stopped := make(chan struct{})
	d := r.now
	go func() { defer close(stopped); r.stop() }()
	for d.Status().Degraded != "stopping" {
		time.Sleep(time.Millisecond)
	}
	close(goOn) // the rest of the first message takes longer than the word to stop
	<-stopped
	if len(r.store.names()) != 2 {
		t.Errorf("the store has %q, want what was not read and what was frozen again", r.store.names())
	}
	r.hooks.thaw = nil
	r.start(r.config("a", lineConfig{}, 0))
	r.thawed(n, 0)
	for i, p := range peers {
		p.say(fmt.Sprintf("%d\n", i))
		p.hear(fmt.Sprintf("%d\n", i))
	}
}
