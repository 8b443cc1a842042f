package chat_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/chat"
)

// A connection that says nothing has no goroutine, and little more memory than
// what it is. Its client, which has no goroutine either, is in this process, too:
// the bounds have both ends in them.
func TestCostOfIdleConnections(t *testing.T) {
	const n = 200
	for _, kind := range []struct {
		secure bool
		most   int64 // bytes that live on for each
	}{{false, 6 << 10}, {true, 30 << 10}} {
		t.Run(fmt.Sprintf("tls %t", kind.secure), func(t *testing.T) {
			w := start(t, func(cfg *chat.Config) { cfg.Limits.Connections = 2 * n })
			addr := w.http.Addr
			if kind.secure {
				srv := httptest.NewTLSServer(w.chat)
				t.Cleanup(srv.Close)
				addr = srv.Listener.Addr().String()
			}
			a := w.join("alice")
			idle(t, addr, kind.secure, a.token) // whatever the first one makes
			goroutines, heap := runtime.NumGoroutine(), liveHeap()
			for range n {
				idle(t, addr, kind.secure, a.token)
			}
			// A few readers are kept, and net/http's goroutines end by and by, with what
			// they hold.
			wait.Until(t, "no goroutine for a connection", func() bool { return runtime.NumGoroutine() < goroutines+n/2 })
			wait.Right(t, func() string {
				each := (liveHeap() - heap) / n
				if each > kind.most {
					return fmt.Sprintf("%d bytes for each idle connection", each)
				}
				t.Logf("%d bytes for each idle connection and its client", each)
				return ""
			})
		})
	}
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools keep goes with the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// idle connects, and returns when the connection is live.
func idle(t *testing.T, addr string, secure bool, token string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	bare := c
	t.Cleanup(func() { _ = bare.Close() })
	_ = c.SetDeadline(time.Now().Add(6 * late))
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if _, err := c.Write(append([]byte(upgrade), masked(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token))...)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for n := 0; !bytes.Contains(buf[:n], []byte(`"synced"`)); {
		m, err := c.Read(buf[n:])
		if n += m; err != nil {
			t.Fatalf("%v after %q", err, buf[:n])
		}
	}
	return bare
}

// masked is a text frame of a client, masked with zeros.
func masked(text string) []byte {
	frame := []byte{0x81, 0x80 | 126}
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	return append(append(frame, 0, 0, 0, 0), text...)
}

// What is committed together is not a write for each message: the kernel counts the
// segments in which it came.
func TestAFrameIsOneWrite(t *testing.T) {
	w := start(t, nil)
	var committed atomic.Int64
	w.chat.LoseNotices(func() bool { // none
		committed.Add(1)
		return false
	})
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	a.say(conv, "first", "x") // it appears in bob's list
	receiver := idle(t, w.http.Addr, false, b.token)
	before, earlier := segments(t, receiver), committed.Load()
	from, frame := a.connect(), ""
	const lines = 32
	for i := range lines {
		frame += fmt.Sprintf(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":"hello"}}`+"\n", i, conv, i)
	}
	from.send("%s", frame)
	got, buf := 0, make([]byte, 64<<10)
	for got < lines {
		m, err := receiver.Read(buf)
		if err != nil {
			t.Fatalf("%v after %d messages", err, got)
		}
		got += bytes.Count(buf[:m], []byte(`"type":"message"`))
	}
	// A slow disk has the lines come in several commits. Who comes online meanwhile
	// may be another segment.
	if n, commits := int64(segments(t, receiver)-before), committed.Load()-earlier; n > commits+2 {
		t.Errorf("%d messages in %d commits came in %d segments", lines, commits, n)
	}
}

// segments is how many with data a connection got.
func segments(t *testing.T, c net.Conn) (n uint32) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Data_segs_in
		}
	})
	if err := errors.Join(cerr, err); err != nil {
		t.Fatal(err)
	}
	return n
}
