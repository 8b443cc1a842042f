package chat_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit/wait"
)

// unixDialer dials a unix socket, whatever the address.
type unixDialer string

func (d unixDialer) Dial(string, string) (net.Conn, error) { return net.Dial("unix", string(d)) }

// TestEveryKindOfConnection: a connection that cannot be parked (a unix socket)
// does all that a parked one does, with a goroutine of its own.
func TestEveryKindOfConnection(t *testing.T) {
	for _, kind := range []struct {
		name   string
		serve  func(t *testing.T, h http.Handler) gws.ClientOption
		parked bool
	}{
		{"tcp", func(t *testing.T, h http.Handler) gws.ClientOption {
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			return gws.ClientOption{Addr: "ws" + strings.TrimPrefix(srv.URL, "http")}
		}, true},
		{"tls", func(t *testing.T, h http.Handler) gws.ClientOption {
			srv := httptest.NewTLSServer(h)
			t.Cleanup(srv.Close)
			return gws.ClientOption{Addr: "wss" + strings.TrimPrefix(srv.URL, "https"), TlsConfig: &tls.Config{InsecureSkipVerify: true}}
		}, true},
		{"unix", func(t *testing.T, h http.Handler) gws.ClientOption {
			path := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: h}
			go func() { _ = srv.Serve(ln) }()
			t.Cleanup(func() { _ = srv.Close() })
			return gws.ClientOption{Addr: "ws://unix", NewDialer: func() (gws.Dialer, error) { return unixDialer(path), nil }}
		}, false},
	} {
		t.Run(kind.name, func(t *testing.T) {
			w := start(t, nil)
			option := kind.serve(t, w.chat)
			option.Addr += "/v1/ws"
			everything(t, w, option, kind.parked)
		})
	}
}

// everything is what a connection has to do.
func everything(t *testing.T, w *world, option gws.ClientOption, parked bool) {
	a := w.join("alice")
	conv := a.with("alice")
	connect := func() *socket {
		s := &socket{t: t, lines: make(chan line, 1000), code: make(chan int, 1)}
		conn, _, err := gws.NewClient(s, &option)
		if err != nil {
			t.Fatal(err)
		}
		s.conn = conn
		go conn.ReadLoop()
		t.Cleanup(func() { _ = conn.NetConn().Close() })
		s.send(`{"id":1,"connect":{"token":%q}}`, a.token)
		s.next("synced", isSynced)
		return s
	}
	first := connect()
	before := runtime.NumGoroutine()
	var all []*socket
	for range 10 {
		all = append(all, connect())
	}
	most := before + 10 // the clients'
	if !parked {
		most += 10
	}
	wait.Until(t, "as few goroutines as can be", func() bool { return runtime.NumGoroutine() <= most+2*runtime.GOMAXPROCS(0) })

	text := strings.Repeat("x", 15_000)
	for i := range 8 { // more than is read at a time, and several to a frame
		first.send("{\"id\":2,\"send\":{\"conv\":%q,\"cid\":\"a%d\",\"text\":%q}}\n{\"id\":3,\"send\":{\"conv\":%q,\"cid\":\"b%d\",\"text\":%q}}", conv, i, text, conv, i, text)
	}
	for range 16 {
		first.next("ack", isAck)
	}
	for _, s := range all {
		for seq := range int64(16) {
			if e := s.next("message", isMessage).Ev; e.Seq != seq+1 {
				t.Fatalf("%d in place of %d", e.Seq, seq+1)
			}
		}
	}
	if err := all[0].conn.WriteClose(4321, []byte("enough")); err != nil {
		t.Error(err)
	}
	all[0].closed()
	_ = all[1].conn.NetConn().Close()
	waitTracked(t, w, 9)
	w.env.Drain(1012)
	for _, s := range all[2:] {
		if code := s.closed(); code != 1012 {
			t.Errorf("drained with %d", code)
		}
	}
	if err := w.env.WaitUntracked(late); err != nil {
		t.Error(err)
	}
}

// However bytes come, and however often a connection is parked amid a frame or a
// TLS record, each ping is answered, in order.
func TestParkedAnywhere(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls %t", secure), func(t *testing.T) {
			w := start(t, nil)
			addr := w.http.Addr
			if secure {
				srv := httptest.NewTLSServer(w.chat)
				t.Cleanup(srv.Close)
				addr = srv.Listener.Addr().String()
			}
			var g sync.WaitGroup
			for i := range 20 {
				g.Go(func() {
					if err := pingInPieces(addr, secure, rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
						t.Errorf("client %d: %v", i, err)
					}
				})
			}
			g.Wait()
			if err := w.env.WaitUntracked(late); err != nil {
				t.Error(err)
			}
		})
	}
}

// pieces writes what it is given in pieces, with what was held back before.
type pieces struct {
	net.Conn
	random *rand.Rand
	hold   bool
	held   []byte
}

func (p *pieces) Write(b []byte) (int, error) {
	p.held = append(p.held, b...)
	if p.hold {
		return len(b), nil
	}
	left := p.held
	p.held = nil
	for len(left) > 0 {
		n := min(len(left), 1+p.random.IntN(300))
		if _, err := p.Conn.Write(left[:n]); err != nil {
			return 0, err
		}
		left = left[n:]
		if p.random.IntN(8) == 0 {
			runtime.Gosched()
		}
	}
	return len(b), nil
}

const upgrade = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// pingInPieces sends pings in pieces, the first of them together with the request
// to upgrade. Over TLS each ping or half of one is a record.
func pingInPieces(addr string, secure bool, random *rand.Rand) error {
	bare, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer bare.Close()
	_ = bare.SetDeadline(time.Now().Add(3 * late))
	p := &pieces{Conn: bare, random: random}
	c := net.Conn(p)
	if secure {
		client := tls.Client(p, &tls.Config{InsecureSkipVerify: true})
		if err := client.Handshake(); err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		c = client
	}
	stream, want := pings(200, random)
	p.hold = true
	first := random.IntN(100) // what comes with the request; none for some
	if _, err := io.WriteString(c, upgrade); err != nil {
		return err
	}
	if _, err := c.Write(stream[:first]); err != nil {
		return err
	}
	p.hold = false
	wrote := make(chan error, 1)
	go func() {
		for left := stream[first:]; len(left) > 0; {
			n := min(len(left), 1+random.IntN(100))
			if _, err := c.Write(left[:n]); err != nil {
				wrote <- err
				return
			}
			left = left[n:]
		}
		wrote <- nil
	}()
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return errors.Join(err, bare.Close(), <-wrote)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errors.Join(errors.New(res.Status), bare.Close(), <-wrote)
	}
	got := make([]byte, len(want))
	if _, err = io.ReadFull(br, got); err != nil {
		return errors.Join(err, bare.Close(), <-wrote)
	}
	if !bytes.Equal(got, want) {
		return errors.New("the answers are not the pings")
	}
	return <-wrote
}

// pings are frames of n pings, and of the answers.
func pings(n int, random *rand.Rand) (stream, want []byte) {
	for i := range n {
		payload := bytes.Repeat([]byte{byte(i)}, random.IntN(126))
		stream = append(append(stream, 0x89, 0x80|byte(len(payload)), 0, 0, 0, 0), payload...)
		want = append(append(want, 0x8a, byte(len(payload))), payload...)
	}
	return stream, want
}
