package mux_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/steady/steadytest"
)

// closing closes the port in the background.
func (r *rig) closing(limit time.Duration) <-chan error {
	r.ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	done := make(chan error, 1)
	go func() { defer cancel(); done <- r.Close(ctx) }()
	return done
}

func within(t *testing.T, limit time.Duration, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatalf("not closed within %v", limit)
		return nil
	}
}

// TestCloseAnswers: what was accepted before is answered, half-sent requests
// too; idle and silent connections are closed.
func TestCloseAnswers(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, mux.Policy{Look: look, DetectTimeout: time.Minute})
			silent, idle, half := r.dial(), r.dial(), r.dial()
			ir := bufio.NewReader(idle)
			get(t, idle, ir)
			io.WriteString(half, "GE")
			wait.Until(t, "all are open", func() bool { return r.Open() == 3 })
			done := r.closing(wait.Patience)
			if _, err := io.ReadAll(silent); err != nil {
				t.Errorf("the silent one: %v", err)
			}
			if _, err := ir.ReadByte(); err != io.EOF {
				t.Errorf("the idle one: %v", err)
			}
			io.WriteString(half, "T / HTTP/1.1\r\nHost: x\r\n\r\n")
			br := bufio.NewReader(half)
			if res, body := answer(t, br); body != "hello HTTP/1.1" || !res.Close {
				t.Errorf("the half-sent request got %q, close %v", body, res.Close)
			}
			if err := within(t, wait.Patience, done); err != nil {
				t.Fatal(err)
			}
			if r.Open() != 0 {
				t.Errorf("%d are open", r.Open())
			}
		})
	}
}

// TestCloseDeadline: a request that takes longer than the time is cut; raw and
// hijacked connections are left to their services.
func TestCloseDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	r := serve(t, mux.Policy{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hijack" {
			c, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(c, "mine")
			go echo(r.Context(), c)
			return
		}
		<-release
	})})
	slow, hijacked, raw := r.dial(), r.dial(), r.dial()
	io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	io.WriteString(hijacked, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
	io.ReadFull(hijacked, make([]byte, len("mine")))
	if !alive(t, hijacked) || !alive(t, raw) {
		t.Fatal("not alive before")
	}
	wait.Until(t, "the request is being answered", func() bool {
		for _, c := range r.Conns() {
			if c.State == mux.StateActive {
				return true
			}
		}
		return false
	})
	err := within(t, wait.Patience, r.closing(100*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Close: %v", err)
	}
	if !closed(t, slow) {
		t.Error("the slow request is still open")
	}
	if !alive(t, hijacked) || !alive(t, raw) {
		t.Fatal("not alive after")
	}
	r.Abort()
	if !closed(t, hijacked) || !closed(t, raw) {
		t.Error("still open after Abort")
	}
}

// TestCloseIdle: what the client has just sent counts, even if nobody has
// read it.
func TestCloseIdle(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookHTTP})
	nc := r.dial()
	br := bufio.NewReader(nc)
	get(t, nc, br)
	isIdle := func() bool { return r.Idle(time.Now()) == 1 }
	wait.Until(t, "it is idle", isIdle)
	mark := time.Now()
	if n := r.Idle(mark.Add(-time.Hour)); n != 0 {
		t.Errorf("%d idle for an hour", n)
	}
	if n, m := r.Idle(steadytest.Step(mark, -time.Hour)), r.Idle(steadytest.Step(mark.Add(-time.Hour), 2*time.Hour)); n != 1 || m != 0 {
		t.Errorf("%d and %d idle after the clock was set", n, m)
	}
	io.WriteString(nc, "GET / HT") // begun
	wait.Until(t, "it is not idle", func() bool { return r.Idle(time.Now()) == 0 })
	r.CloseIdle()
	io.WriteString(nc, "TP/1.1\r\nHost: x\r\n\r\n")
	if _, body := answer(t, br); body != "hello HTTP/1.1" {
		t.Fatalf("got %q", body)
	}
	wait.Until(t, "it is idle again", isIdle)
	if n := r.Idle(mark); n != 0 {
		t.Errorf("%d idle since before it was used", n)
	}
	r.CloseIdle()
	if _, err := br.ReadByte(); err != io.EOF {
		t.Fatalf("it is open: %v", err)
	}
}

// TestServeAfterClose has a connection come too late.
func TestServeAfterClose(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{})
	ctx, cancel := context.WithTimeout(context.Background(), wait.Patience)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.dial()); len(b) > 0 || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	r.refused("closed", 1)
	r.Apply(mux.Policy{Choose: choose}) // too late, and harmless
	if r.Open() != 0 || !strings.Contains(r.log.String(), "closed") {
		t.Errorf("%d open; log: %s", r.Open(), r.log)
	}
}
