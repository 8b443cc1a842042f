package systemd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// answer is what the config of the test answers on its web ports.
const answer = "hello from under systemd\n"

// requestTime bounds one request. A client that waits so long was not served.
const requestTime = 20 * time.Second

// A Tally is what became of requests of one kind within a phase.
type Tally struct {
	Requests int
	Refused  int           // connections that were not taken
	Cut      int           // connections that ended before the answer did
	Failed   int           // other
	Median   time.Duration // of a request, with its connection where it needs one
	Longest  time.Duration
	Errors   []string // the first few
}

func (t Tally) String() string {
	return fmt.Sprintf("%d requests, %d refused, %d cut, %d failed, p50 %v, longest %v", t.Requests, t.Refused, t.Cut, t.Failed, t.Median.Round(10*time.Microsecond), t.Longest.Round(time.Millisecond))
}

// counter collects a Tally.
type counter struct {
	mu    sync.Mutex
	tally Tally
	took  []time.Duration
	spans []span // since window was called
}

// A span is when a request was made, and answered.
type span struct{ begun, ended time.Time }

// count counts a request that ends now.
func (c *counter) count(begun time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := span{begun, time.Now()}
	c.tally.Requests++
	c.took = append(c.took, s.ended.Sub(begun))
	c.spans = append(c.spans, s)
	switch {
	case err == nil:
		return
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT):
		c.tally.Refused++
	case cut(err):
		c.tally.Cut++
	default:
		c.tally.Failed++
	}
	if len(c.tally.Errors) < 5 {
		c.tally.Errors = append(c.tally.Errors, fmt.Sprintf("%s after %v: %v", s.ended.Format("15:04:05.000"), s.ended.Sub(begun), err))
	}
}

// cut reports whether a connection ended amid a request. net/http closes one itself,
// below whoever still writes to it, when its reader has seen that it was reset.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// window returns the requests that ended since the last call.
func (c *counter) window() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans
	c.spans = nil
	return spans
}

// longest is how long the longest took.
func longest(spans []span) (d time.Duration) {
	for _, s := range spans {
		d = max(d, s.ended.Sub(s.begun))
	}
	return d
}

func (c *counter) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally.Requests
}

// take returns what was counted since the last take.
func (c *counter) take() Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally
	if len(c.took) > 0 {
		slices.Sort(c.took)
		t.Median, t.Longest = c.took[len(c.took)/2], c.took[len(c.took)-1]
	}
	c.tally, c.took, c.spans = Tally{}, nil, nil
	return t
}

// A load is clients that make requests until it ends.
type load struct {
	fresh, kept, slow counter
	secure            secureLoad
	waiting           atomic.Int64 // slow requests that have not ended
	begun             atomic.Int64 // those of them that portico has begun to answer
	over              atomic.Bool
	wg                sync.WaitGroup
}

// How many clients start sets going, and those that connect for each request.
const (
	clients      = 7
	freshClients = 4
)

// start sets clients going: some that connect for each request, over TCP and
// over a unix socket, some that keep their connection, and those over TLS.
func (l *load) start(web, unix string) {
	for range 3 {
		l.wg.Go(func() { l.loop(&l.fresh, func() error { return once("tcp", web) }) })
		l.wg.Go(func() {
			k := &keeper{dial: func() (net.Conn, error) { return net.DialTimeout("tcp", web, requestTime) }}
			defer k.close()
			l.loop(&l.kept, k.request)
		})
	}
	l.wg.Go(func() { l.loop(&l.fresh, func() error { return once("unix", unix) }) })
	l.secure.start(l)
}

func (l *load) end() {
	l.over.Store(true)
	l.wg.Wait()
}

// pace is how long a client rests between two requests.
const pace = 5 * time.Millisecond

func (l *load) loop(c *counter, request func() error) {
	for !l.over.Load() {
		begun := time.Now()
		c.count(begun, request())
		time.Sleep(pace)
	}
}

// once makes a request over a connection of its own.
func once(network, addr string) error {
	nc, err := net.DialTimeout(network, addr, requestTime)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = exchange(nc, bufio.NewReader(nc), "Connection: close\r\n")
	return err
}

// exchange makes one request and reports whether the server ends the connection.
func exchange(nc net.Conn, r *bufio.Reader, header string) (last bool, err error) {
	_ = nc.SetDeadline(time.Now().Add(requestTime))
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: portico.test\r\n"+header+"\r\n"); err != nil {
		return true, err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != answer) {
		err = fmt.Errorf("answered %s %q", res.Status, body)
	}
	return res.Close, err
}

// A keeper keeps its connection for as long as the server does, and says so
// when it ends other than after an answer that announced it.
type keeper struct {
	dial func() (net.Conn, error)
	nc   net.Conn
	r    *bufio.Reader
}

func (k *keeper) request() error {
	if k.nc == nil {
		nc, err := k.dial()
		if err != nil {
			return err
		}
		k.nc, k.r = nc, bufio.NewReader(nc)
	}
	last, err := exchange(k.nc, k.r, "")
	if last || err != nil {
		k.close()
	}
	return err
}

func (k *keeper) close() {
	if k.nc != nil {
		_ = k.nc.Close()
		k.nc = nil
	}
}

// trickle uploads to the echo service and reads what comes back, until release
// is closed: a request that is in progress when something happens.
func (l *load) trickle(addr string, release <-chan struct{}) {
	l.waiting.Add(1)
	l.wg.Go(func() {
		defer l.waiting.Add(-1)
		begun := time.Now()
		l.slow.count(begun, trickle(addr, release, &l.begun))
	})
}

// trickle counts itself in begun from when the answer begins until it ends.
func trickle(addr string, release <-chan struct{}, begun *atomic.Int64) error {
	nc, err := net.DialTimeout("tcp", addr, requestTime)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(2 * requestTime))
	in, out := io.Pipe()
	var sent bytes.Buffer
	go func() {
		piece := []byte(strings.Repeat("0123456789abcdef", 1024))
		for {
			sent.Write(piece)
			_, err := out.Write(piece)
			select {
			case <-release:
				_ = out.Close()
				return
			case <-time.After(50 * time.Millisecond):
			}
			if err != nil {
				return
			}
		}
	}()
	defer in.Close()
	req, err := http.NewRequest("POST", "http://"+addr+"/", in)
	if err != nil {
		return err
	}
	var answer []byte
	answered := make(chan error, 1)
	go func() {
		res, err := http.ReadResponse(bufio.NewReader(nc), req)
		if err == nil {
			defer res.Body.Close()
			begun.Add(1)
			defer begun.Add(-1)
			if answer, err = io.ReadAll(res.Body); err == nil && res.StatusCode != http.StatusOK {
				err = fmt.Errorf("answered %s", res.Status)
			}
		}
		answered <- err
	}()
	werr := req.Write(nc)
	if err := errors.Join(<-answered, werr); err != nil {
		return err
	}
	if !bytes.Equal(answer, sent.Bytes()) {
		return fmt.Errorf("answered %d bytes of %d", len(answer), sent.Len())
	}
	return nil
}
