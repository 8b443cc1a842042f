package images_test

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/images"
	"github.com/porticod/portico/services/servicetest"
)

// warmUp asks until the answer comes from memory: a file that was just written
// is not trusted to look different with its next change.
func (s *site) warmUp(path string) {
	s.t.Helper()
	for deadline := time.Now().Add(wait.Patience); ; {
		before := s.metric("memory_hits_total")
		s.get(path)
		if s.metric("memory_hits_total") > before {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not come from memory", path)
		}
	}
}

// A picture in memory costs one look at its file or, when very many ask, none, and no
// other system call for a file.
func TestHotPictureIsOnlyLookedAt(t *testing.T) {
	const requests = 20
	servicetest.Syscalls(t, "openat,newfstatat,fstat,pread64,getdents64", func(t *testing.T) {
		s := serve(t, gallery(t), "")
		write(t, s.root+"/list/one.jpg", jpegOf(t, photo(64, 48, 1)))
		for _, path := range []string{"/hills.jpg", "/hills.jpg?w=320"} {
			s.warmUp(path)
			_, _ = os.Stat("/begin") // seen in the trace
			for range requests {
				s.get(path)
			}
			_, _ = os.Stat("/end")
		}
		s.list("/list/")
		time.Sleep(200 * time.Millisecond) // the folder was made just now
		s.list("/list/")
		_, _ = os.Stat("/begin")
		s.list("/list/")
		_, _ = os.Stat("/end")
	}, func(t *testing.T, lines []string) {
		var rounds [][]string
		inside := false
		for _, l := range lines {
			switch {
			case strings.Contains(l, `"/begin"`):
				rounds, inside = append(rounds, nil), true
			case strings.Contains(l, `"/end"`):
				inside = false
			case inside:
				rounds[len(rounds)-1] = append(rounds[len(rounds)-1], l)
			}
		}
		if len(rounds) != 3 {
			t.Fatalf("%d rounds:\n%s", len(rounds), strings.Join(lines, "\n"))
		}
		for i, calls := range rounds[:2] {
			looks := 0
			for _, l := range calls {
				if strings.Contains(l, "newfstatat") && strings.Contains(l, "hills.jpg") {
					looks++
				}
			}
			// After a second the way to the file is gone again: six calls more.
			if looks > requests || len(calls) > looks+12 {
				t.Errorf("round %d: %d looks in %d calls for %d requests:\n%s", i, looks, len(calls), requests, strings.Join(calls, "\n"))
			}
		}
		if trace := strings.Join(rounds[2], "\n"); strings.Contains(trace, "getdents64") {
			t.Errorf("a folder that did not change is read again:\n%s", trace)
		}
	})
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct {
	header http.Header
	n      int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { w.n += len(p); return len(p), nil }
func (w *nowhere) WriteHeader(int)             {}

func TestAllocationsOfHotPictures(t *testing.T) {
	s := serve(t, gallery(t), "")
	for path, most := range map[string]float64{"/hills.jpg": 4, "/hills.jpg?w=320": 12} {
		s.warmUp(path)
		r := servicetest.Request("GET", s.srv.URL+path)
		w := &nowhere{header: http.Header{}}
		h := s.svc.(http.Handler)
		n := allocs.Per(200, most, func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		})
		if n > most || w.n == 0 {
			t.Errorf("%s: %v allocations, at most %v are allowed; %d bytes were written", path, n, most, w.n)
		}
	}
}

// Fifty pictures at once take turns within the budget of the pool.
func TestMemoryOfManyPicturesIsBounded(t *testing.T) {
	const (
		count  = 50
		budget = 6 << 20
	)
	root := filepath.Join(t.TempDir(), "root")
	data := pngOf(t, image.NewRGBA(image.Rect(0, 0, 700, 560)))
	for i := range count {
		write(t, fmt.Sprintf("%s/%d.png", root, i), data)
	}
	pool := picture.NewPool(picture.Options{Codec: standard{}, Memory: budget, Workers: count, Wait: time.Minute})
	svc, env := servicetest.Open(t, service.KindOf(images.Type{Pictures: pool}), fmt.Sprintf("root = %q", root))
	s := &site{t, root, env, svc, servicetest.HTTP(t, svc.(http.Handler))}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	// Garbage is a part of what lives, and other tests leave encoders behind.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	before, most := heap(), uint64(0)
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, heap())
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			res, err := s.srv.Client.Get(fmt.Sprintf("%s/%d.png?w=160", s.srv.URL, i))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || !bytes.HasPrefix(b, []byte("\x89PNG")) {
				t.Errorf("%s, %d bytes, %v", res.Status, len(b), err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-watched
	// All at once would take far more; garbage is as much as the collector allows.
	if limit := before + 4*budget; most > limit {
		t.Errorf("%d MiB of heap at most, want at most %d", most>>20, limit>>20)
	}
}
