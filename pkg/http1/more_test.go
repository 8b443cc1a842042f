package http1_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/http1"
)

// A recorded connection notes what is written, and whether more follows.
type recorded struct {
	net.Conn
	mu     sync.Mutex // guards the rest
	more   bool
	writes []bool // whether more follows
}

func (r *recorded) SetMore(more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more = more
}

func (r *recorded) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.writes = append(r.writes, r.more)
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// taken returns how many writes were said to be followed by others, how many there
// were after the last of those, and begins anew.
func (r *recorded) taken() (followed, last int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, more := range r.writes {
		if more {
			followed, last = followed+1, 0
		} else {
			last++
		}
	}
	r.writes = nil
	return followed, last
}

// Of a long answer over TLS all records but the last are sent as such that others
// follow, whoever writes it; nothing is left waiting for more.
func TestRecordsThatFollow(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	sizes := []int{0, 1, 1000, 8000, 8192, 16384, 16385, 20_000, 32768, 40_519, 65536, 65537, 200_000, 16384 * 16}
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<10+1)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.FormValue("size"))
		w.Header().Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case "/text":
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = w.Write(content[:size])
		case "/chunks":
			_, _ = w.Write(content[:size/2])
			_, _ = w.Write(content[size/2 : size])
		case "/file":
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(f, 0, int64(size)))
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *recorded, 1)
	accept(t, ln, func(nc net.Conn) {
		r := &recorded{Conn: nc}
		conns <- r
		srv.ServeConn(tls.Server(r, donor.TLS))
	})
	c := tls.Client(dial(t, ln.Addr().String()), &tls.Config{InsecureSkipVerify: true})
	br := bufio.NewReader(c)
	var conn *recorded
	for _, path := range []string{"/text", "/chunks", "/file"} {
		for _, size := range sizes {
			send(t, c, get(path+"?size="+strconv.Itoa(size)))
			if _, got := next(t, br, "GET"); got != string(content[:size]) {
				t.Fatalf("%s of %d: %d bytes", path, size, len(got))
			}
			if conn == nil {
				conn = <-conns
				conn.taken() // the handshake
				continue
			}
			followed, last := conn.taken()
			if last == 0 {
				t.Errorf("%s of %d: %d writes, and more should follow", path, size, followed)
			}
			if long := size > 32<<10 && path != "/chunks"; long && followed == 0 {
				t.Errorf("%s of %d: %d writes, none of which is followed by others", path, size, last)
			}
		}
	}
}

var _ http1.MoreSetter = (*recorded)(nil)
