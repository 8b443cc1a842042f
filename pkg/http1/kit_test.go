package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/http1"
)

// patience ends a test that would hang.
const patience = wait.Patience

// A rig is a server at work.
type rig struct {
	*http1.Server
	ln  net.Listener
	log buffer.Buffer

	mu     sync.Mutex // guards the rest
	states map[net.Conn][]http.ConnState
}

type addrKey struct{}

// serve serves h on loopback until the test ends. change may change the server.
func serve(t testing.TB, h http.HandlerFunc, change ...func(*http1.Server)) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{ln: ln, states: map[net.Conn][]http.ConnState{}}
	r.Server = &http1.Server{
		Handler: h, HeaderTimeout: patience, IdleTimeout: patience, MaxHeader: 64 << 10,
		Context: func(nc net.Conn) context.Context {
			return context.WithValue(context.Background(), addrKey{}, nc.RemoteAddr().String())
		},
		State: func(nc net.Conn, s http.ConnState) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.states[nc] = append(r.states[nc], s)
		},
	}
	r.ErrorLog = log.New(&r.log, "", 0)
	for _, c := range change {
		c(r.Server)
	}
	accept(t, ln, r.ServeConn)
	return r
}

func accept(t testing.TB, ln net.Listener, serve func(net.Conn)) {
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range open {
			_ = nc.Close()
		}
	})
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, nc)
			mu.Unlock()
			go serve(nc)
		}
	}()
}

// serveTheirs serves h with the server of net/http.
func serveTheirs(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: patience, MaxHeaderBytes: 60 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { _ = srv.Close() })
	go func() { _ = srv.Serve(ln) }()
	return ln.Addr().String()
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func (r *rig) dial(t testing.TB) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := dial(t, r.ln.Addr().String())
	return c, bufio.NewReader(c)
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// next reads an answer.
func next(t testing.TB, br *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// said sends text and returns what is said until the other side closes, with dates
// and the cut of chunks taken out.
func said(t testing.TB, addr, text string, methods []string) string {
	t.Helper()
	c := dial(t, addr)
	_, _ = io.WriteString(c, text) // it may be closed midway
	_ = c.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(c)
	if err != nil && len(all) == 0 {
		return "reset"
	}
	br := bufio.NewReader(bytes.NewReader(all))
	var b strings.Builder
	for i := 0; ; i++ {
		method := http.MethodGet
		if i < len(methods) {
			method = methods[i]
		}
		if _, err := br.Peek(1); err != nil {
			return b.String()
		}
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			rest, _ := io.ReadAll(br)
			fmt.Fprintf(&b, "no answer: %q\n", rest)
			return b.String()
		}
		if res.StatusCode < 200 {
			i--
		}
		describe(&b, res)
	}
}

func describe(b *strings.Builder, res *http.Response) {
	fmt.Fprintf(b, "%s %s length %d %v close %v\n", res.Proto, res.Status, res.ContentLength, res.TransferEncoding, res.Close)
	body, err := io.ReadAll(res.Body)
	header := func(h http.Header) {
		var lines []string
		for k, v := range h {
			if k == "Date" {
				v = []string{"now"}
			}
			lines = append(lines, fmt.Sprintf("  %s: %q\n", k, v))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	header(res.Header)
	fmt.Fprintf(b, "  %d bytes %.200q %v\n", len(body), body, err)
	if len(res.Trailer) > 0 {
		b.WriteString("  trailer\n")
		header(res.Trailer)
	}
}
