package http1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/http1"
)

// All that was read when a connection is taken over is in the reader's buffer.
func TestHijackHidesNothing(t *testing.T) {
	got := make(chan int, 1)
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		early := rw.Reader.Buffered()
		rest, _ := io.ReadAll(io.LimitReader(c, int64(6000-early)))
		got <- early + len(rest)
	})
	c, _ := r.dial(t)
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("h", 9000)+"\r\n\r\n"+strings.Repeat("z", 6000))
	if n := <-got; n != 6000 {
		t.Errorf("%d bytes of 6000", n)
	}
}

// Who reads the body while the connection is taken over is at its end, and what the
// client says from then on is for who took it.
func TestHijackAmidTheBody(t *testing.T) {
	for range 20 {
		hijack, ended, heard := make(chan struct{}), make(chan error, 1), make(chan string, 1)
		r := serve(t, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			go func() {
				_, err := r.Body.Read(make([]byte, 100))
				if rc.SetReadDeadline(time.Now()) == nil {
					err = fmt.Errorf("a deadline was set on another's connection after %w", err)
				}
				ended <- err
			}()
			<-hijack
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := rc.SetReadDeadline(time.Time{}); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a late deadline: %v", err)
			}
			b := make([]byte, 10)
			_, err = io.ReadFull(rw, b)
			heard <- fmt.Sprint(string(b), err)
		})
		c, br := r.dial(t)
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("%q, %v", line, err)
		}
		close(hijack)
		if err := <-ended; err == nil || strings.Contains(err.Error(), "deadline was set") {
			t.Errorf("the body: %v", err)
		}
		send(t, c, "5\r\nhello\r\n")
		if got := <-heard; got != "5\r\nhello\r\n<nil>" {
			t.Errorf("%q", got)
		}
	}
}

// aware is a connection whose reader has noticed a deadline when setting it returns.
type aware struct {
	net.Conn
	reading sync.Mutex
}

func (a *aware) Read(b []byte) (int, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	return a.Conn.Read(b)
}

func (a *aware) SetReadDeadline(t time.Time) error {
	err := a.Conn.SetReadDeadline(t)
	if !t.IsZero() && t.Before(time.Now()) {
		a.reading.Lock()
		defer a.reading.Unlock()
		<-time.After(time.Millisecond) // so that it has looked at what it got
	}
	return err
}

// A connection that is taken over while somebody waits for the client to leave is
// not one that the client has left.
func TestHijackEndsNoContext(t *testing.T) {
	left := make(chan error)
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		_ = ctx.Done() // from here on the client is watched
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		left <- ctx.Err()
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept(t, ln, func(nc net.Conn) { r.ServeConn(&aware{Conn: nc}) })
	for range 20 {
		send(t, dial(t, ln.Addr().String()), get("/"))
		if err := <-left; err != nil {
			t.Fatal(err)
		}
	}
}

// slowContinue is a connection over which 100 Continue takes a while.
type slowContinue struct {
	net.Conn
	begun chan struct{}
}

func (s *slowContinue) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "HTTP/1.1 100") {
		close(s.begun)
		<-time.After(100 * time.Millisecond) // enough for an answer that does not wait
	}
	return s.Conn.Write(b)
}

// An answer that begins while the client is asked for the body comes after that.
func TestContinueComesFirst(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	srv := &http1.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			go func() { _, _ = io.ReadAll(r.Body) }()
			<-begun
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "no")
		}),
		HeaderTimeout: patience, IdleTimeout: patience, MaxHeader: 64 << 10, ErrorLog: log.New(io.Discard, "", 0),
		Context: func(net.Conn) context.Context { return context.Background() }, State: func(net.Conn, http.ConnState) {},
	}
	accept(t, ln, func(nc net.Conn) { srv.ServeConn(&slowContinue{nc, begun}) })
	c := dial(t, ln.Addr().String())
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if got, _ := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK") {
		t.Errorf("%q", got)
	}
}

// Who sets deadlines while the handler returns does not keep the answer.
func TestDeadlinesAtTheEnd(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.Context().Done()
		rc, began := http.NewResponseController(w), make(chan struct{})
		go func() {
			close(began)
			for rc.SetReadDeadline(time.Time{}) == nil {
			}
		}()
		<-began
		_, _ = io.WriteString(w, "hi")
	})
	for range 200 {
		c, br := r.dial(t)
		send(t, c, get("/"))
		if line, err := br.ReadString('\n'); err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		_ = c.Close()
	}
}

// A body that a deadline cut off amid its trailer goes on with its trailer.
func TestTrailerAfterADeadline(t *testing.T) {
	cut := make(chan struct{})
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		first := make([]byte, 1)
		if _, err := io.ReadFull(r.Body, first); err != nil {
			t.Error(err)
		}
		_ = rc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if more, err := io.ReadAll(r.Body); len(more) > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", more, err)
		}
		_ = rc.SetReadDeadline(time.Now().Add(patience))
		close(cut)
		rest, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %q %t", first, rest, err == nil)
	})
	c, br := r.dial(t)
	send(t, c, post("/", chunked, "1\r\na\r\n0\r\n"))
	<-cut
	send(t, c, "4\r\nevil\r\n0\r\n\r\n")
	if _, got := next(t, br, "POST"); got != `"a" "" false` {
		t.Error(got)
	}
}

// An empty line after a POST does not count, nor begin a request.
func TestEmptyLineAfterPost(t *testing.T) {
	r := serve(t, func(http.ResponseWriter, *http.Request) {}, func(s *http1.Server) { s.HeaderTimeout = 5 * time.Second })
	c, br := r.dial(t)
	send(t, c, post("/", "Content-Length: 0", "")+"\r\n")
	next(t, br, "POST")
	wait.Until(t, "it is not idle again", func() bool { // and not in the time of a header
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, s := range r.states {
			return len(s) >= 3 && s[len(s)-1] == http.StateIdle
		}
		return false
	})
	send(t, c, get("/"))
	next(t, br, "GET")
}

// HTTP/1.0 knows no interim answers: RFC 9110 section 15.2.
func TestNoInterimAnswerToOldClients(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) })
	c, br := r.dial(t)
	send(t, c, "GET / HTTP/1.0\r\n\r\n")
	if got, _ := io.ReadAll(br); !strings.HasPrefix(string(got), "HTTP/1.0 200 OK") {
		t.Errorf("%q", got)
	}
}
