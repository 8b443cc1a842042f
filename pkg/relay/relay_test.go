package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/relay"
)

const patience = time.Minute

// pair is two connected sockets, with a deadline for everything.
func pair(t testing.TB, network string) (a, b net.Conn) {
	t.Helper()
	where := "127.0.0.1:0"
	if network == "unix" {
		where = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, where)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.DialTimeout(network, ln.Addr().String(), patience); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	_ = a.SetDeadline(time.Now().Add(patience))
	return a, b
}

// far is a server's end and the one that is connected to it: "dialed" is by Dial.
func far(t testing.TB, network string) (u, near net.Conn) {
	t.Helper()
	if network != dialed {
		return pair(t, network)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = relay.Dial(t.Context(), netip.MustParseAddrPort(ln.Addr().String()), patience); err != nil {
		t.Fatal(err)
	}
	if u, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), u.Close() })
	_ = u.SetDeadline(time.Now().Add(patience))
	return u, near
}

const dialed = "dialed"

// loops are closed after the relays that use them have ended.
func loops(t testing.TB) *relay.Loops {
	t.Helper()
	ls := new(relay.Loops)
	t.Cleanup(func() {
		if err := ls.Close(); err != nil {
			t.Error(err)
		}
	})
	return ls
}

// start runs a relay, in a loop of its own unless byHand, and returns the two far
// ends.
func start(t testing.TB, client, up string, opt relay.Options) (c, u net.Conn, cut func(), end <-chan relay.End) {
	t.Helper()
	if opt.Idle == 0 {
		opt.Idle = time.Minute
	}
	hand := strings.TrimPrefix(client, byHand)
	if hand == client {
		opt.Loops = loops(t)
	}
	c, nearC := pair(t, hand)
	u, nearU := far(t, up)
	done := make(chan relay.End, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		why := relay.New(nearC, nearU, opt).Run(ctx)
		_, _ = nearC.Close(), nearU.Close()
		done <- why
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return c, u, cancel, done
}

// byHand before a network has a relay do without loops.
const byHand = "by hand: "

func ends(t testing.TB, end <-chan relay.End, want relay.End) {
	t.Helper()
	select {
	case got := <-end:
		if got != want {
			t.Errorf("the relay ended as %v, not as %v", got, want)
		}
	case <-time.After(patience):
		t.Fatal("the relay does not end")
	}
}

var networks = [][2]string{{"tcp", "tcp"}, {"tcp", "unix"}, {"unix", "tcp"}, {"unix", "unix"}, {"tcp", dialed}, {byHand + "tcp", "tcp"}, {byHand + "unix", dialed}}

// speak writes b in pieces of all sizes, some in one go and some after a pause,
// and ends its side.
func speak(c net.Conn, b []byte, rng *rand.Rand) error {
	for len(b) > 0 {
		n := min(len(b), 1<<rng.IntN(19)+rng.IntN(3)-1)
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; rng.IntN(8) == 0 {
			time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond) // so that the other side has read all
		}
	}
	return c.(interface{ CloseWrite() error }).CloseWrite()
}

// Whatever comes in whatever pieces arrives, in both directions at a time.
func TestNothingIsLostOrChanged(t *testing.T) {
	for _, n := range networks {
		t.Run(n[0]+"-"+n[1], func(t *testing.T) {
			t.Parallel()
			const size = 6 << 20
			var received, sent int
			c, u, _, end := start(t, n[0], n[1], relay.Options{
				Received: func(n int) { received += n }, Sent: func(n int) { sent += n },
			})
			bytesOf := func(seed byte) []byte {
				b := make([]byte, size+int(seed)*1000)
				_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
				return b
			}
			errs := make(chan error, 4)
			for i, conn := range []net.Conn{c, u} {
				go func() { errs <- speak(conn, bytesOf(byte(i)), rand.New(rand.NewPCG(1, uint64(i)))) }()
				go func() {
					got, err := io.ReadAll(conn)
					if want := bytesOf(byte(1 - i)); err == nil && !bytes.Equal(got, want) {
						err = fmt.Errorf("%d bytes came of %d, or others", len(got), len(want))
					}
					errs <- err
				}()
			}
			for range 4 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			ends(t, end, relay.EndClosed)
			if received != size || sent != size+1000 {
				t.Errorf("%d bytes up and %d down were counted", received, sent)
			}
		})
	}
}

// Who does not read for a while gets all of it later, also what came in small
// pieces.
func TestASlowReader(t *testing.T) {
	for _, n := range networks {
		t.Run(n[0]+"-"+n[1], func(t *testing.T) {
			t.Parallel()
			c, u, _, end := start(t, n[0], n[1], relay.Options{})
			piece := make([]byte, 5000)
			rng := rand.NewChaCha8([32]byte{})
			var sent bytes.Buffer
			for full := false; !full; {
				_, _ = rng.Read(piece)
				_ = c.SetWriteDeadline(time.Now().Add(time.Second))
				k, err := c.Write(piece)
				sent.Write(piece[:k])
				if full = errors.Is(err, os.ErrDeadlineExceeded); err != nil && !full { // all buffers are full
					t.Fatal(err)
				}
			}
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			if b, err := io.ReadAll(u); err != nil || !bytes.Equal(b, sent.Bytes()) {
				t.Errorf("%v: %d bytes came of %d, or others, %v", n, len(b), sent.Len(), err)
			}
			_ = u.Close()
			ends(t, end, relay.EndClosed)
		})
	}
}

// One side may end and listen on.
func TestHalfClose(t *testing.T) {
	for _, n := range networks {
		c, u, _, end := start(t, n[0], n[1], relay.Options{})
		for _, side := range [][2]net.Conn{{c, u}, {u, c}} {
			fmt.Fprint(side[0], "last words")
			_ = side[0].(interface{ CloseWrite() error }).CloseWrite()
			if b, err := io.ReadAll(side[1]); string(b) != "last words" || err != nil {
				t.Errorf("%v: %q, %v", n, b, err)
			}
		}
		ends(t, end, relay.EndClosed)
	}
}

func TestAbortsArePassedOn(t *testing.T) {
	for _, way := range []struct {
		from   int
		client string
		up     string
	}{{0, "tcp", "tcp"}, {1, "tcp", "tcp"}, {0, "tcp", dialed}, {1, "tcp", dialed}, {0, byHand + "tcp", dialed}, {1, byHand + "tcp", "tcp"}} {
		i := way.from
		c, u, _, end := start(t, way.client, way.up, relay.Options{})
		sides := []net.Conn{c, u}
		fmt.Fprint(sides[i], "x")
		if _, err := io.ReadFull(sides[1-i], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		_ = sides[i].(*net.TCPConn).SetLinger(0)
		_ = sides[i].Close()
		if _, err := sides[1-i].Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("side %d takes an abort for %v", 1-i, err)
		}
		ends(t, end, relay.EndBroken)
	}
}

func TestIdle(t *testing.T) {
	var c net.Conn
	wait.Steady(t, 300*time.Millisecond, func(beat func()) error {
		var u net.Conn
		var end <-chan relay.End
		c, u, _, end = start(t, "tcp", "unix", relay.Options{Idle: time.Second})
		for range 10 { // a byte now and then, for longer than one idle time
			fmt.Fprint(u, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return err
			}
			time.Sleep(120 * time.Millisecond) // what is tried is time itself
			beat()
		}
		begun := time.Now()
		ends(t, end, relay.EndIdle)
		if d := time.Since(begun); d < 600*time.Millisecond {
			return fmt.Errorf("it was idle for %v only", d)
		}
		return nil
	})
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestCut(t *testing.T) {
	for _, client := range []string{"tcp", byHand + "tcp"} {
		c, _, cut, end := start(t, client, "tcp", relay.Options{})
		cut()
		ends(t, end, relay.EndCut)
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection stays open: %v", err)
		}
	}
}

// A client that says nothing and does not leave is not kept where up has ended
// and nobody is left there; while up goes on it is.
func TestGone(t *testing.T) {
	for _, client := range []string{"tcp", byHand + "tcp"} {
		gone := make(chan struct{})
		close(gone)
		c, u, _, end := start(t, client, "tcp", relay.Options{Gone: gone})
		fmt.Fprint(u, "last words")
		got := make([]byte, 10)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "last words" {
			t.Errorf("%q, %v", got, err)
		}
		_ = u.(*net.TCPConn).CloseWrite()
		ends(t, end, relay.EndClosed)
	}
}

// What is no socket is moved by hand.
func TestOverWhatIsNoSocket(t *testing.T) {
	ls := loops(t)
	client, near := net.Pipe()
	u, nearU := pair(t, "tcp")
	go func() { _, _ = io.Copy(u, u); _ = u.Close() }()
	end := make(chan relay.End, 1)
	go func() { end <- relay.New(near, nearU, relay.Options{Idle: time.Minute, Loops: ls}).Run(t.Context()) }()
	go fmt.Fprint(client, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	_ = client.Close()
	select {
	case <-end:
	case <-time.After(patience):
		t.Fatal("the relay does not end")
	}
}
