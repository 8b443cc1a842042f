package front_test

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/route"
)

// sendfiler notes what it is given to send: net/http and the kernel take files,
// alone or limited once.
type sendfiler struct {
	nowhere
	got   bytes.Buffer
	files int
	other int
}

func (s *sendfiler) ReadFrom(r io.Reader) (int64, error) {
	src := r
	if l, ok := r.(*io.LimitedReader); ok {
		src = l.R
	}
	if _, ok := src.(*os.File); ok {
		s.files++
	} else {
		s.other++
	}
	return s.got.ReadFrom(r)
}

// Files stay within reach of sendfile, whether answers are slowed or not, and
// arrive whole.
func TestFilesWithLimits(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		bytes   int64
		limited bool
		calls   int
	}{
		{"off", 0, false, 1},
		{"off, a part", 0, true, 1},
		{"slowed", 1 << 20, false, 5},
		{"slowed, a part", 1 << 20, true, 4},
	} {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		f := front.New(zerolog.Nop(), func() bool { return false }, func() *accesslog.Log { return nil })
		f.Apply(&front.Settings{Bytes: tt.bytes, Table: &route.Table{Default: &route.Target{HTTP: func(w http.ResponseWriter, _ *http.Request) bool {
			var src io.Reader = file
			if tt.limited {
				src = &io.LimitedReader{R: file, N: int64(len(content))}
			}
			n, err := w.(io.ReaderFrom).ReadFrom(src)
			if n != int64(len(content)) || err != nil {
				t.Errorf("%s: %d bytes, %v", tt.name, n, err)
			}
			return true
		}}}})
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = "198.51.100.1:4321"
		w := &sendfiler{nowhere: nowhere{http.Header{}}}
		f.ServeHTTP(w, r)
		if w.files != tt.calls || w.other != 0 || !bytes.Equal(w.got.Bytes(), content) {
			t.Errorf("%s: %d times from the file, want %d, %d times not; %d bytes", tt.name, w.files, tt.calls, w.other, w.got.Len())
		}
	}
}

// An address that has used up its bytes waits; another, loopback and who has no
// address do not.
func TestPace(t *testing.T) {
	f := front.New(zerolog.Nop(), func() bool { return false }, func() *accesslog.Log { return nil })
	a := netip.MustParseAddr
	if wait := f.Pace(a("198.51.100.1"), 1<<30); wait != 0 {
		t.Errorf("without a limit: %v", wait)
	}
	f.Apply(&front.Settings{Bytes: 1 << 10})
	begun := time.Now()
	first, second := f.Pace(a("2001:db8::1"), 1<<10), f.Pace(a("2001:db8::2"), 1<<10)
	if first != 0 || second+time.Since(begun) < 900*time.Millisecond || second > time.Second {
		t.Errorf("one /64: %v, %v", first, second)
	}
	for _, other := range []netip.Addr{a("2001:db8:0:1::1"), a("127.0.0.1"), a("::1"), {}} {
		if wait := f.Pace(other, 1<<10); wait != 0 {
			t.Errorf("%v waits %v", other, wait)
		}
	}
}
