package mux_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

func say(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) })
}

// TestNewHandler: a kept-alive connection gets the new policy's handler with its
// next request and stays open, because the shape did not change.
func TestNewHandler(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookHTTP, HTTP: say("one")})
	nc := r.dial()
	br := bufio.NewReader(nc)
	if res, body := get(t, nc, br); body != "one" || res.Close {
		t.Fatalf("got %q, close %v", body, res.Close)
	}
	r.Apply(mux.Policy{Listener: "test", Look: mux.LookSplit, Choose: choose, HTTP: say("two")})
	if res, body := get(t, nc, br); body != "two" || res.Close {
		t.Fatalf("got %q, close %v", body, res.Close)
	}
}

// TestOldFrontRetires: after a change of shape a kept-alive connection gets one
// more answer, from the new handler, which says that it is the last.
func TestOldFrontRetires(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		t.Run(name, func(t *testing.T) {
			pol := mux.Policy{Listener: "test", Look: look, Choose: choose, HTTP: say("one")}
			r := serve(t, pol)
			nc := r.dial()
			br := bufio.NewReader(nc)
			get(t, nc, br)
			pol.HTTP, pol.Front.IdleTimeout = say("two"), time.Hour
			r.Apply(pol)
			if res, body := get(t, nc, br); body != "two" || !res.Close {
				t.Fatalf("got %q, close %v", body, res.Close)
			}
			if _, err := br.ReadByte(); err != io.EOF {
				t.Fatalf("the connection is open: %v", err)
			}
			nc = r.dial()
			if res, body := get(t, nc, bufio.NewReader(nc)); body != "two" || res.Close {
				t.Fatalf("a new connection got %q, close %v", body, res.Close)
			}
		})
	}
}

// TestOldFrontRetiresH2 is the same for HTTP/2: GOAWAY after the next answer.
func TestOldFrontRetiresH2(t *testing.T) {
	t.Parallel()
	pol := mux.Policy{Listener: "test", Look: mux.LookHTTP, TLS: serverTLS(), HTTP: say("x")}
	r := serve(t, pol)
	tr := &http.Transport{TLSClientConfig: clientTLS(), ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	fetch := func() {
		t.Helper()
		res, err := client.Get("https://" + r.addr())
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	fetch()
	fetch()
	if n := r.metric("portico_listener_connections_total", ""); n != 1 {
		t.Fatalf("%v connections for two requests", n)
	}
	pol.Front.IdleTimeout = time.Hour
	r.Apply(pol)
	fetch() // the last on the old connection
	wait.Until(t, "the old connection ends", func() bool { return r.Open() == 0 })
	fetch()
	if n := r.metric("portico_listener_connections_total", ""); n != 2 {
		t.Fatalf("%v connections", n)
	}
}

// TestTLSTurnedOn: a port that was plain becomes TLS.
func TestTLSTurnedOn(t *testing.T) {
	t.Parallel()
	pol := mux.Policy{Listener: "test", Look: mux.LookHTTP, HTTP: say("x")}
	r := serve(t, pol)
	r.exchange(request)
	pol.TLS = serverTLS()
	r.Apply(pol)
	if got := r.exchange(request); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Fatalf("plain HTTP got %q", got)
	}
	c := tls.Client(r.dial(), clientTLS("http/1.1"))
	if _, body := get(t, c, bufio.NewReader(c)); body != "x" {
		t.Fatalf("got %q", body)
	}
}

// TestTickets: sessions resume after a reload with the same certificate
// configuration.
func TestTickets(t *testing.T) {
	t.Parallel()
	cfg := serverTLS()
	pol := mux.Policy{Listener: "test", Look: mux.LookHTTP, TLS: cfg, HTTP: say("x")}
	r := serve(t, pol)
	client := clientTLS("http/1.1")
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		c := tls.Client(r.dial(), client)
		get(t, c, bufio.NewReader(c))
		if got := c.ConnectionState().DidResume; got != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, got)
		}
		c.Close()
		pol.HTTP = say("y")
		r.Apply(pol)
	}
}

// TestReloadUnderLoad swaps policies of several shapes under a load of one
// connection per request and of half-sent requests: none may fail.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	pol := mux.Policy{Listener: "test", Choose: choose, HTTP: say("x")}
	r := serve(t, pol)
	var stop atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				nc, err := net.Dial("tcp", r.addr())
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(nc, "GE")
				io.WriteString(nc, request[2:])
				b, err := io.ReadAll(nc)
				nc.Close()
				if err != nil || !strings.HasSuffix(string(b), "x") {
					t.Errorf("got %q, %v", b, err)
					return
				}
				n.Add(1)
			}
		})
	}
	for i := range 60 {
		pol.Front.IdleTimeout = time.Duration(i%3+1) * time.Minute
		pol.Look = mux.Look(i % 2) // split, HTTP
		r.Apply(pol)
		for want, end := n.Load()+5, time.Now().Add(wait.Patience); n.Load() < want && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	stop.Store(true)
	wg.Wait()
	if n.Load() < 200 {
		t.Errorf("only %d requests", n.Load())
	}
}

func TestConns(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	pol := mux.Policy{
		TLS:       nil,
		ProxyFrom: loopback,
		Choose: func(_ *mux.Conn, v mux.Verdict) mux.Choice {
			if v.Protocol == mux.SSH {
				return mux.Choice{Label: "git", Raw: func(ctx context.Context, c net.Conn) {
					mux.FromContext(ctx).SetService("tcp.git")
					io.Copy(c, c)
				}}
			}
			return choose(nil, v)
		},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/wait":
				<-release
			case "/hijack":
				c, _, _ := http.NewResponseController(w).Hijack()
				io.WriteString(c, "HTTP/1.1 101 x\r\n\r\n")
			}
		}),
	}
	r := serve(t, pol)
	r.dial()                           // detect
	ssh := r.from("198.51.100.1")      // raw
	io.WriteString(ssh, "SSH-2.0\r\n") // 9 bytes
	io.ReadFull(ssh, make([]byte, 9))
	idle := r.from("198.51.100.2")
	get(t, idle, bufio.NewReader(idle))
	io.WriteString(r.from("198.51.100.3"), "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	hijacked := r.from("198.51.100.4")
	io.WriteString(hijacked, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
	bufio.NewReader(hijacked).ReadString('\n')
	want := "detect||| idle|http1|web| active|http1|web| hijacked|http1|web| raw|ssh|git|tcp.git"
	var got []string
	wait.Until(t, "the states are as they should be", func() bool {
		got = nil
		byState := map[mux.State]string{}
		for _, c := range r.Conns() {
			byState[c.State] = fmt.Sprintf("%s|%s|%s|%s", c.State, c.Protocol, c.Label, c.Service)
		}
		for _, s := range []mux.State{mux.StateDetect, mux.StateIdle, mux.StateActive, mux.StateHijacked, mux.StateRaw} {
			got = append(got, byState[s])
		}
		return strings.Join(got, " ") == want
	})
	for _, c := range r.Conns() {
		if c.State != mux.StateRaw {
			continue
		}
		if c.Peer != "198.51.100.1:1234" || c.Via != ssh.LocalAddr().String() || c.Local != r.addr() {
			t.Errorf("addresses %q via %q to %q", c.Peer, c.Via, c.Local)
		}
		// The PROXY header counts, too: it was on the wire.
		if header := int64(len("PROXY TCP4 198.51.100.1 192.0.2.1 1234 80\r\n")); c.In != header+9 || c.Out < 9 || c.Out > 10 {
			t.Errorf("%d bytes in, %d out", c.In, c.Out)
		}
		if time.Since(c.Opened) > time.Minute || c.Since.Before(c.Opened) || c.ID == 0 {
			t.Errorf("%+v", c)
		}
	}
	close(release)
}
