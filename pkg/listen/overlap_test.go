package listen_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/listen"
)

// TestOverlapUnderLoad moves a port between a specific address and the wildcard
// while clients connect to it without a break: none may be refused or reset.
func TestOverlapUnderLoad(t *testing.T) {
	for _, wild := range []string{"", "0.0.0.0", "::"} {
		t.Run("wildcard "+wild, func(t *testing.T) {
			t.Parallel()
			ip := "127.0.0.1"
			if wild == "::" {
				ip = "::1"
			}
			set := listen.New(zerolog.Nop())
			defer set.Close()
			port := 0 // the kernel picks one for the first socket
			var served [2]atomic.Int64
			hosts := []string{ip, wild}
			var cur *listen.Socket
			open := func(i int) {
				k, err := set.Open(listen.Address{Network: "tcp", Host: hosts[i%2], Port: port})
				if err != nil {
					t.Error(err)
					return
				}
				go k.Serve(func(nc net.Conn) {
					served[i%2].Add(1)
					go func() { io.WriteString(nc, "hi"); nc.Close() }()
				})
				if cur != nil {
					cur.Close()
				}
				cur, port = k, k.Port()
			}
			open(0)
			l := startLoad(net.JoinHostPort(ip, itoa(port)), 4, false)
			for i := 1; i <= 6; i++ {
				l.more(100)
				open(i)
			}
			l.more(100)
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			if served[0].Load() < 100 || served[1].Load() < 100 {
				t.Fatalf("served by the specific address %d, by the wildcard %d: the load has not seen both", served[0].Load(), served[1].Load())
			}
			t.Logf("%d connections, %d and %d", l.n.Load(), served[0].Load(), served[1].Load())
		})
	}
}

// TestOverlapRollback opens an overlapping address and gives it up again before
// it is served: the clients it caught meanwhile get the old handler.
func TestOverlapRollback(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	defer set.Close()
	old, err := set.Open(listen.Address{Network: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	port := old.Port()
	go old.Serve(func(nc net.Conn) { go func() { io.WriteString(nc, "hi"); nc.Close() }() })
	l := startLoad(net.JoinHostPort("127.0.0.1", itoa(port)), 4, false)
	for range 4 {
		l.more(50)
		k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1", Port: port})
		if err != nil {
			t.Fatal(err)
		}
		l.more(50)
		if k.Accepted() == 0 {
			t.Error("the specific socket caught nobody")
		}
		k.Close()
	}
	l.more(50)
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if ks := set.All(); len(ks) != 1 || ks[0] != old {
		t.Fatalf("left over: %v", ks)
	}
}

// TestCloseTakesWhatIsConnected closes a socket under load: clients are refused
// from some point on, but who was connected is served.
func TestCloseTakesWhatIsConnected(t *testing.T) {
	t.Parallel()
	for range 4 {
		set := listen.New(zerolog.Nop())
		k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		go k.Serve(func(nc net.Conn) { go func() { io.WriteString(nc, "hi"); nc.Close() }() })
		l := startLoad(k.Addr().String(), 4, true)
		l.more(50)
		k.Close()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
}

// load connects again and again and wants "hi" each time.
type load struct {
	addr      string
	n         atomic.Int64
	stop      atomic.Bool
	refusable bool // a refused connection ends the load, without an error
	wg        sync.WaitGroup
	mu        sync.Mutex
	err       error
}

func startLoad(addr string, clients int, refusable bool) *load {
	l := &load{addr: addr, refusable: refusable}
	for range clients {
		l.wg.Go(func() {
			for !l.stop.Load() {
				if err := l.once(); err != nil {
					l.mu.Lock()
					l.err = errors.Join(l.err, err)
					l.mu.Unlock()
					return
				}
			}
		})
	}
	return l
}

func (l *load) once() error {
	nc, err := net.DialTimeout("tcp", l.addr, time.Minute)
	if err != nil {
		if l.refusable {
			l.stop.Store(true)
			return nil
		}
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(nc)
	if err == nil && string(b) != "hi" {
		err = errors.New("short answer: " + string(b))
	}
	l.n.Add(1)
	return err
}

// more waits for n more connections.
func (l *load) more(n int64) {
	for want, end := l.n.Load()+n, time.Now().Add(time.Minute); l.n.Load() < want && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func (l *load) end() error {
	l.stop.Store(true)
	l.wg.Wait()
	return l.err
}
