package static_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/filemark"
	"github.com/porticod/portico/services/servicetest"
)

// settle waits until marks of what was just written tell it from what comes.
func settle() { time.Sleep(120 * time.Millisecond) }

// A file that was asked for just now costs one look at it, short or long, under its
// own name or its folder's, and none when very many ask.
func TestHeldFilesAreOnlyLookedAt(t *testing.T) {
	const requests, tries = 4 * filemark.Often, 10 // a file is opened again each second
	servicetest.Syscalls(t, "openat,openat2,newfstatat,fstat,pread64,read,lseek,epoll_ctl,close", func(t *testing.T) {
		root := site(t)
		settle()
		svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q", root))
		for _, path := range []string{"/app.js", "/folder/", "/big.bin"} {
			r := servicetest.Request("GET", path)
			w := &discarded{header: http.Header{}}
			for range tries {
				_, _ = os.Stat("/begin") // seen in the trace
				for range requests {
					svc.(http.Handler).ServeHTTP(w, r)
				}
				_, _ = os.Stat("/end")
			}
		}
	}, func(t *testing.T, lines []string) {
		var rounds [][]string
		inside := false
		for _, l := range lines {
			switch {
			case strings.Contains(l, `"/begin"`):
				rounds, inside = append(rounds, nil), true
			case strings.Contains(l, `"/end"`):
				inside = false
			case inside && strings.Contains(l, "/root/"), inside && !strings.Contains(l, "newfstatat") && strings.Contains(l, "openat"):
				rounds[len(rounds)-1] = append(rounds[len(rounds)-1], l)
			}
		}
		if len(rounds) != 3*tries {
			t.Fatalf("%d rounds:\n%s", len(rounds), strings.Join(lines, "\n"))
		}
		for path := range slices.Chunk(rounds, tries) {
			if !slices.ContainsFunc(path, func(calls []string) bool {
				return len(calls) < requests && strings.Count(strings.Join(calls, "\n"), "newfstatat") == len(calls)
			}) {
				t.Errorf("there is always a look for each of %d requests, or more than that:\n%s", requests, strings.Join(path[1], "\n"))
			}
		}
	})
}

// discarded is a ResponseWriter that costs nothing.
type discarded struct {
	header http.Header
	n      int64
}

func (w *discarded) Header() http.Header         { return w.header }
func (w *discarded) Write(p []byte) (int, error) { w.n += int64(len(p)); return len(p), nil }
func (w *discarded) WriteHeader(int)             {}
func (w *discarded) ReadFrom(r io.Reader) (int64, error) {
	var n int64
	var err error
	if part, ok := r.(*io.SectionReader); ok {
		n, err = part.Seek(0, io.SeekEnd)
	} else {
		n, err = io.Copy(io.Discard, r)
	}
	w.n += n
	return n, err
}

func TestAllocationsOfHeldFiles(t *testing.T) {
	root := site(t)
	settle()
	svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q", root))
	for path, most := range map[string]float64{"/app.js": 3, "/big.bin": 6} {
		r := servicetest.Request("GET", path)
		w := &discarded{header: http.Header{}}
		n := allocs.Per(200, most, func() {
			clear(w.header)
			svc.(http.Handler).ServeHTTP(w, r)
		})
		if n > most || w.n == 0 {
			t.Errorf("%s: %v allocations, at most %v are allowed; %d bytes were written", path, n, most, w.n)
		}
	}
}

// A file that is asked for often is sent from memory, as long as there is room and it
// is the same.
func TestLongFilesThatAreAskedForOften(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	const size, worth = 200_000, 16
	for i := range 30 {
		write(t, fmt.Sprintf("%s/%d.bin", root, i), strings.Repeat(string(rune('a'+i%26)), size))
	}
	write(t, root+"/large.bin", strings.Repeat("x", 300_000))
	settle()
	svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q", root))
	ask := func(w http.ResponseWriter, path string) {
		svc.(http.Handler).ServeHTTP(w, servicetest.Request("GET", path))
	}
	wait.Until(t, "most files are in memory, and no longer open", func() bool {
		for i := range 30 {
			path, w := fmt.Sprintf("/%d.bin", i), httptest.NewRecorder()
			for range 2 * worth {
				ask(&discarded{header: http.Header{}}, path)
			}
			ask(w, path)
			if b := w.Body.Bytes(); len(b) != size || b[0] != byte('a'+i%26) || b[size-1] != b[0] {
				t.Fatalf("%d: %d bytes", i, len(b))
			}
		}
		ask(&discarded{header: http.Header{}}, "/large.bin")
		n := openBelow(t, root)
		return n >= 1 && n <= 11 // large.bin and those for which there was no room
	})
	write(t, root+"/new", strings.Repeat("n", size))
	if err := os.Rename(root+"/new", root+"/3.bin"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the new file shows", func() bool {
		w := httptest.NewRecorder()
		ask(w, "/3.bin")
		return w.Body.Bytes()[0] == 'n'
	})
}

// However a file is changed, the next answer has what is there.
func TestChangesShowAtOnce(t *testing.T) {
	root := site(t)
	long := strings.Repeat("l", 100_000)
	write(t, root+"/long.txt", long)
	get := serve(t, root, "")
	is := func(path, want string, status int) {
		t.Helper()
		for range 3 { // held from the first one on, if at all
			if res, body := get("GET", path); res.StatusCode != status || status == 200 && body != want {
				t.Fatalf("%s: %s, %.20q instead of %.20q", path, res.Status, body, want)
			}
		}
	}
	replace := func(name, content string) {
		t.Helper()
		write(t, root+"/new", content)
		if err := os.Rename(root+"/new", root+name); err != nil {
			t.Fatal(err)
		}
	}
	settle()
	is("/app.js", "console.log(1)", 200)
	is("/long.txt", long, 200)
	is("/", "<h1>home</h1>", 200)
	write(t, root+"/app.js", "console.log(2)") // in place, of the same size
	is("/app.js", "console.log(2)", 200)
	settle()
	is("/app.js", "console.log(2)", 200)
	replace("/app.js", "console.log(3)")
	is("/app.js", "console.log(3)", 200)
	replace("/long.txt", strings.ToUpper(long))
	is("/long.txt", strings.ToUpper(long), 200)
	settle()
	is("/long.txt", strings.ToUpper(long), 200)
	write(t, root+"/long.txt", "short")
	is("/long.txt", "short", 200)
	if err := os.Remove(root + "/index.html"); err != nil {
		t.Fatal(err)
	}
	is("/", "", 404)
	if err := os.Rename(root+"/folder", root+"/other"); err != nil {
		t.Fatal(err)
	}
	is("/folder/", "", 404)
}

// A compressed file is sent while it and its original are as they were.
func TestChangesOfCompressedFilesShowAtOnce(t *testing.T) {
	root := site(t)
	get := serve(t, root, "precompressed = true")
	is := func(accept, encoding, want string) {
		t.Helper()
		for range 3 {
			res, body := get("GET", "/app.js", "Accept-Encoding", accept)
			if body != want || res.Header.Get("Content-Encoding") != encoding || res.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%q: %q, %v", accept, body, res.Header)
			}
			head, _ := get("HEAD", "/app.js", "Accept-Encoding", accept)
			if head.ContentLength != int64(len(want)) || head.Header.Get("Etag") != res.Header.Get("Etag") {
				t.Fatalf("%q: HEAD has %v", accept, head.Header)
			}
			if not, _ := get("GET", "/app.js", "Accept-Encoding", accept, "If-None-Match", res.Header.Get("Etag")); not.StatusCode != 304 {
				t.Fatalf("%q: %s", accept, not.Status)
			}
		}
	}
	settle()
	is("br, zstd", "br", "brotli, believe it")
	is("zstd", "zstd", "zstandard, too")
	is("identity", "", "console.log(1)")
	if err := os.Remove(root + "/app.js.br"); err != nil {
		t.Fatal(err)
	}
	is("br, zstd", "zstd", "zstandard, too")
	settle()
	if err := os.WriteFile(root+"/app.js", []byte("console.log(2)"), 0o600); err != nil { // newer now than the compressed one
		t.Fatal(err)
	}
	is("br, zstd", "", "console.log(2)")
	is("zstd", "", "console.log(2)")
}

// openBelow is how many files below a folder the process has open.
func openBelow(t *testing.T, folder string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, folder) {
			n++
		}
	}
	return n
}

// Long files stay open for a second after they were asked for, and not too many.
func TestHeldFilesAreBounded(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	content := strings.Repeat("x", 70_000)
	for i := range 100 {
		write(t, fmt.Sprintf("%s/%d.bin", root, i), content)
	}
	settle()
	svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q", root))
	ask := func(i int) {
		w := &discarded{header: http.Header{}}
		svc.(http.Handler).ServeHTTP(w, servicetest.Request("GET", fmt.Sprintf("/%d.bin", i)))
		if w.n != int64(len(content)) {
			t.Errorf("%d: %d bytes", i, w.n)
		}
	}
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for i := range 300 {
				ask((i*7 + c) % 100)
			}
		})
	}
	clients.Wait()
	if n := openBelow(t, root); n > 64 {
		t.Errorf("%d files are held open", n)
	}
	wait.Until(t, "no file is held that nobody asks for", func() bool { return openBelow(t, root) == 0 })
	ask(1)
	if err := svc.Close(); err != nil {
		t.Error(err)
	}
	ask(2) // late, and still answered
	if n := openBelow(t, root); n > 0 {
		t.Errorf("%d files are open after the end", n)
	}
}
