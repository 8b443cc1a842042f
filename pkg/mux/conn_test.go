package mux_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

const stall = 400 * time.Millisecond // the write timeout of these tests

const (
	someBytes = 4 << 20
	manyBytes = 24 << 20 // more than socket buffers hold
)

// bigFile has size bytes that tell where they are.
func bigFile(t testing.TB, size int) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "big")
	var line bytes.Buffer
	for i := 0; line.Len() < size; i++ {
		fmt.Fprintf(&line, "%01023d\n", i)
	}
	content = line.Bytes()[:size]
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// writers are the ways in which an answer is written.
func writers(path string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"file": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) },
		"write": func(w http.ResponseWriter, r *http.Request) {
			b, _ := os.ReadFile(path)
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			w.Write(b)
		},
	}
}

// TestStalledPeer takes nothing: the connection ends soon after the timeout.
func TestStalledPeer(t *testing.T) {
	t.Parallel()
	path, _ := bigFile(t, manyBytes)
	for name, h := range writers(path) {
		networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
			var ended atomic.Bool
			r := start(t, mux.Policy{Look: mux.LookHTTP, Front: mux.Front{WriteTimeout: stall},
				HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r); ended.Store(true) })})
			begin := time.Now()
			io.WriteString(r.dial(), request)
			wait.Until(t, fmt.Sprintf("%s: the handler ends", name), ended.Load)
			if d := time.Since(begin); d < stall || d > 100*stall {
				t.Errorf("%s: ended after %v, the timeout is %v", name, d, stall)
			}
			wait.Until(t, fmt.Sprintf("%s: it is closed", name), func() bool { return r.Open() == 0 })
		})
	}
}

// TestSlowPeer takes its answer slowly, for many times the timeout, and gets all
// of it, in order.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	path, content := bigFile(t, manyBytes)
	for name, h := range writers(path) {
		networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
			r := start(t, mux.Policy{Look: mux.LookHTTP, HTTP: h, Front: mux.Front{WriteTimeout: stall}})
			wait.Steady(t, stall/2, func(beat func()) error {
				nc := r.dial()
				if t, ok := nc.(*net.TCPConn); ok {
					t.SetReadBuffer(32 << 10) // so that most of it waits at the sender
				}
				io.WriteString(nc, request)
				buf := make([]byte, len(content)+4096)
				n := 0
				// A little of it every eighth of the timeout, for longer than three.
				for range 30 {
					m, err := io.ReadFull(nc, buf[n:n+16<<10])
					n += m
					if err != nil {
						return fmt.Errorf("%s: after %d bytes: %w", name, n, err)
					}
					time.Sleep(stall / 8)
					beat()
				}
				m, err := io.ReadFull(nc, buf[n:])
				n += m
				if err != io.ErrUnexpectedEOF {
					return fmt.Errorf("%s: after %d bytes: %w", name, n, err)
				}
				if !bytes.Equal(buf[n-len(content):n], content) {
					t.Fatalf("%s: the bytes are not those of the file", name)
				}
				return nil
			})
		})
	}
}

// withConn hands a raw connection to f.
func withConn(t *testing.T, f func(c *mux.Conn)) *rig {
	return serve(t, mux.Policy{Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
		return mux.Choice{Raw: func(_ context.Context, c net.Conn) { f(c.(*mux.Conn)) }}
	}})
}

// TestUserDeadline: a deadline that a service sets holds, with and without the
// port's own timeout.
func TestUserDeadline(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Minute} {
		got := make(chan error, 2)
		r := serve(t, mux.Policy{Look: mux.LookHTTP, Front: mux.Front{WriteTimeout: timeout},
			HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, _, _ := http.NewResponseController(w).Hijack()
				defer c.Close()
				c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				_, err := c.Write(make([]byte, 64<<20))
				got <- err
				c.SetWriteDeadline(time.Time{})
				time.AfterFunc(50*time.Millisecond, func() { c.SetDeadline(time.Now()) })
				_, err = c.Write(make([]byte, 64<<20))
				got <- err
			})})
		io.WriteString(r.dial(), request)
		for range 2 {
			select {
			case err := <-got:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("timeout %v: %v", timeout, err)
				}
			case <-time.After(wait.Patience):
				t.Fatalf("timeout %v: the deadline does not hold", timeout)
			}
		}
	}
}

// TestReadTimeout: a body that stops coming ends; one that comes slowly does not.
func TestReadTimeout(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	r := serve(t, mux.Policy{Look: mux.LookHTTP, Front: mux.Front{ReadTimeout: stall},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				// Reading goes on in the background, without that deadline.
				select {
				case <-r.Context().Done():
					err = r.Context().Err()
				case <-time.After(2 * stall):
				}
			}
			got <- err
			_ = n
		})})
	wait.Steady(t, stall/2, func(beat func()) error {
		slow := r.dial()
		io.WriteString(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
		for range 5 {
			time.Sleep(stall / 4)
			io.WriteString(slow, "x")
			beat()
		}
		if err := <-got; err != nil {
			return fmt.Errorf("a slow body: %w", err)
		}
		return nil
	})
	io.WriteString(r.dial(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that stops: %v", err)
	}
}

// TestCopies moves bytes through every short cut of io.Copy, and expects them
// whole, in both directions.
func TestCopies(t *testing.T) {
	t.Parallel()
	path, content := bigFile(t, someBytes)
	size := int64(len(content))
	for name, f := range map[string]func(c *mux.Conn) (int64, error){
		"file to conn": func(c *mux.Conn) (int64, error) {
			f, _ := os.Open(path)
			defer f.Close()
			return io.Copy(c, f)
		},
		"part of a file to conn": func(c *mux.Conn) (int64, error) {
			f, _ := os.Open(path)
			defer f.Close()
			n, err := io.CopyN(c, f, 1000)
			if err != nil {
				return n, err
			}
			m, err := io.CopyN(c, f, size-1000)
			return n + m, err
		},
		"sections of a file to conn": func(c *mux.Conn) (int64, error) {
			f, _ := os.Open(path)
			defer f.Close()
			first, second := io.NewSectionReader(f, 0, size), io.NewSectionReader(f, 5000, size)
			n, err := io.CopyN(c, first, 1000)
			if err != nil || n != 1000 {
				return n, err
			}
			m, err := io.CopyN(c, first, 4000) // goes on where it was
			if err != nil || m != 4000 {
				return n + m, err
			}
			k, err := c.ReadFrom(second) // ends before it should
			if at, _ := f.Seek(0, io.SeekCurrent); at != 0 {
				t.Errorf("the file itself was read up to %d", at)
			}
			if at, _ := second.Seek(0, io.SeekCurrent); at != size-5000 {
				t.Errorf("the section was read up to %d of %d", at, size-5000)
			}
			return n + m + k, err
		},
		"section of text to conn": func(c *mux.Conn) (int64, error) {
			return c.ReadFrom(io.NewSectionReader(bytes.NewReader(content), 0, size))
		},
		"reader to conn": func(c *mux.Conn) (int64, error) {
			f, _ := os.Open(path)
			defer f.Close()
			return io.Copy(c, struct{ io.Reader }{f})
		},
		"conn to conn": func(c *mux.Conn) (int64, error) {
			return io.Copy(c, c)
		},
		"part of conn to conn": func(c *mux.Conn) (int64, error) {
			return io.CopyN(c, c, size)
		},
		"through a pair of sockets": func(c *mux.Conn) (int64, error) {
			a, b := pair(t)
			go func() { io.Copy(a, c); a.(*net.TCPConn).CloseWrite() }()
			return io.Copy(c, b)
		},
	} {
		networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
			done := make(chan struct{})
			r := start(t, mux.Policy{Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
				return mux.Choice{Raw: func(_ context.Context, nc net.Conn) {
					defer close(done)
					n, err := f(nc.(*mux.Conn))
					if n != size || err != nil {
						t.Errorf("%s: %d bytes of %d, %v", name, n, size, err)
					}
				}}
			}})
			nc := r.dial()
			go func() {
				if strings.HasSuffix(name, "to conn") && !strings.Contains(name, "conn to") {
					return // nobody would read it
				}
				f, _ := os.Open(path)
				defer f.Close()
				io.Copy(nc, f)
				nc.(interface{ CloseWrite() error }).CloseWrite()
			}()
			buf := make([]byte, size)
			if n, err := io.ReadFull(nc, buf); err != nil {
				t.Fatalf("%s: %d bytes of %d, %v", name, n, size, err)
			}
			if !bytes.Equal(buf, content) {
				t.Fatalf("%s: the bytes are not those of the file", name)
			}
			<-done
		})
	}
}

// pair is two ends of a TCP connection.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Pieces go out in order, whole, and together with a file that follows.
func TestPieces(t *testing.T) {
	t.Parallel()
	path, content := bigFile(t, 100_000)
	want := "onetwo" + string(content) + "three" + string(content) + "four"
	r := withConn(t, func(c *mux.Conn) {
		defer c.Close()
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if n, err := c.WriteBuffers(net.Buffers{[]byte("one"), []byte("two"), content}); n != int64(6+len(content)) || err != nil {
			t.Errorf("%d bytes of %d, %v", n, 6+len(content), err)
		}
		if n, err := c.WriteMore([]byte("three")); n != 5 || err != nil {
			t.Errorf("%d bytes of 5, %v", n, err)
		}
		if n, err := c.ReadFrom(io.LimitReader(f, int64(len(content)))); n != int64(len(content)) || err != nil {
			t.Errorf("%d bytes of %d, %v", n, len(content), err)
		}
		io.WriteString(c, "four")
	})
	if got, err := io.ReadAll(r.dial()); err != nil || string(got) != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// TestCloseOnce: Close gives back what the connection holds once, however often
// it is called, and by whom.
func TestCloseOnce(t *testing.T) {
	t.Parallel()
	done := make(chan *mux.Conn, 1)
	r := withConn(t, func(c *mux.Conn) {
		io.Copy(c, c)
		c.Close()
		c.Close()
		done <- c
	})
	if got := r.exchange("bytes"); got != "bytes" {
		t.Fatalf("got %q", got)
	}
	c := <-done
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 })
	if n := r.metric("portico_listener_connections_open", ""); n != 0 {
		t.Errorf("%v connections open", n)
	}
	if in, out := c.Bytes(); in < 5 || in > 6 || out < 5 || out > 6 { // the FIN counts as one
		t.Errorf("%d bytes in, %d out", in, out)
	}
}
