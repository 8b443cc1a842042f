package mux_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/mux"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("MUX_TEST_CHILD"); mode != "" {
		if err := zeroCopyChild(mode, os.Getenv("MUX_TEST_FILE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// copies are the ways in which a service moves bytes; each is run in a process
// of its own, whose system calls are listed.
var copies = map[string]struct {
	call string // that must be used
	look mux.Look
	http http.HandlerFunc
	raw  func(c *mux.Conn, up net.Conn)
}{
	"file, split":  {call: "sendfile", look: mux.LookSplit, http: serveTestFile},
	"file, direct": {call: "sendfile", look: mux.LookHTTP, http: serveTestFile},
	"section, direct": {call: "sendfile", look: mux.LookHTTP, http: func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(os.Getenv("MUX_TEST_FILE"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.ServeContent(w, r, "file", fi.ModTime(), io.NewSectionReader(f, 0, fi.Size()))
	}},
	// Not copied less, but without a word to Go's scheduler.
	"text, direct": {call: "sendmsg", look: mux.LookHTTP, http: func(w http.ResponseWriter, _ *http.Request) {
		text, err := os.ReadFile(os.Getenv("MUX_TEST_FILE"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for part := range slices.Chunk(text, 64<<10) {
			w.Write(part)
		}
	}},
	"NetConn, split": {call: "splice", look: mux.LookSplit, raw: func(c *mux.Conn, up net.Conn) {
		go func() { io.Copy(up, c.NetConn()); up.(*net.TCPConn).CloseWrite() }()
		io.Copy(c.NetConn(), up)
	}},
	"conn, split": {call: "splice", look: mux.LookSplit, raw: func(c *mux.Conn, up net.Conn) {
		go func() { io.Copy(up, c); up.(*net.TCPConn).CloseWrite() }()
		io.Copy(c, up)
	}},
	"conn, direct": {call: "splice", look: mux.LookRaw, raw: func(c *mux.Conn, up net.Conn) {
		go func() { io.Copy(up, c); up.(*net.TCPConn).CloseWrite() }()
		io.Copy(c, up)
	}},
}

func serveTestFile(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, os.Getenv("MUX_TEST_FILE"))
}

// TestZeroCopy proves with strace that the kernel moves the bytes, after a split
// too, and with a write timeout set.
func TestZeroCopy(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("this test lists system calls with strace; install the Debian package strace")
	}
	path, content := bigFile(t, someBytes)
	for mode, c := range copies {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			list := filepath.Join(t.TempDir(), "calls")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, strace, "-f", "-qq", "-e", "trace=sendfile,splice,sendmsg", "-o", list, os.Args[0])
			cmd.Env = append(os.Environ(), "MUX_TEST_CHILD="+mode, "MUX_TEST_FILE="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			b, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			if moved := movedBy(t, c.call, string(b)); moved < int64(len(content)*9/10) {
				t.Errorf("%s moved %d bytes of %d", c.call, moved, len(content))
			}
		})
	}
}

var result = regexp.MustCompile(`(sendfile|splice|sendmsg)[( ].*= (\d+)$`)

// movedBy adds up what calls returned.
func movedBy(t *testing.T, call, list string) (sum int64) {
	for line := range strings.Lines(list) {
		if m := result.FindStringSubmatch(strings.TrimSpace(line)); m != nil && m[1] == call {
			var n int64
			if _, err := fmt.Sscan(m[2], &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// zeroCopyChild moves the file through a port once.
func zeroCopyChild(mode, path string) error {
	c := copies[mode]
	source, err := net.Listen("tcp", "127.0.0.1:0") // sends the file to who connects
	if err != nil {
		return err
	}
	go func() {
		nc, _ := source.Accept()
		b, _ := os.ReadFile(path)
		nc.Write(b)
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, nc) // unread bytes would reset the connection
	}()
	p := mux.NewPort(zerolog.Nop(), nil)
	p.Apply(mux.Policy{
		Look: c.look, HTTP: c.http, Front: mux.Front{WriteTimeout: 10 * time.Second},
		Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
			return mux.Choice{HTTP: c.http != nil, Raw: func(_ context.Context, nc net.Conn) {
				up, err := net.Dial("tcp", source.Addr().String())
				if err == nil {
					c.raw(nc.(*mux.Conn), up)
				}
				nc.Close()
			}}
		},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		nc, _ := ln.Accept()
		p.Serve(nc)
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	io.WriteString(nc, request)
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, nc)
	if fi, _ := os.Stat(path); err == nil && n < fi.Size() {
		err = fmt.Errorf("%d bytes of %d", n, fi.Size())
	}
	return err
}
