package images_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/images"
	"github.com/porticod/portico/services/servicetest"
)

// metric reads one of the service's own metrics; of a histogram the count.
func (s *site) metric(name string) float64 {
	s.t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.svc.(service.Metered).Collectors()...)
	families, err := reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "portico_images_"+name {
			continue
		}
		m := f.GetMetric()[0]
		if m.Histogram != nil {
			return float64(m.Histogram.GetSampleCount())
		}
		return m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// cached lists the files of the cache on disk that are pictures.
func (s *site) cached() (out []string) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.env.Dir, "cache"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Ext(path) != ".json" {
			out = append(out, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestOneVersionIsMadeOnce(t *testing.T) {
	s := serve(t, gallery(t), "")
	var wg sync.WaitGroup
	bodies := make([][]byte, 64)
	for i := range bodies {
		wg.Go(func() {
			res, err := s.srv.Client.Get(s.srv.URL + "/hills.jpg?w=480")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			bodies[i], _ = io.ReadAll(res.Body)
		})
	}
	wg.Wait()
	for i, b := range bodies {
		if len(b) == 0 || !bytes.Equal(b, bodies[0]) {
			t.Fatalf("answer %d has %d bytes, the first %d", i, len(b), len(bodies[0]))
		}
	}
	if n := s.metric("make_duration_seconds"); n != 1 {
		t.Errorf("made %v times for 64 requests, want once", n)
	}
	if n := s.cached(); len(n) != 1 {
		t.Errorf("in the cache: %v", n)
	}
}

// The work goes on when the client that began it is gone.
func TestClientThatLeaves(t *testing.T) {
	s := serve(t, gallery(t), "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	req := servicetest.Request("GET", s.srv.URL+"/hills.jpg?w=480").WithContext(ctx)
	rec := &recorder{header: http.Header{}}
	s.svc.(http.Handler).ServeHTTP(rec, req)
	if rec.status != 503 {
		t.Errorf("status %d", rec.status)
	}
	wait.Until(t, "the version is made", func() bool { return len(s.cached()) > 0 })
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestMemoryAndDisk(t *testing.T) {
	s := serve(t, gallery(t), "")
	want := s.get("/hills.jpg?w=320").body
	s.get("/hills.jpg?w=320")
	if s.metric("memory_hits_total") != 1 || s.metric("memory_cache_bytes") < float64(len(want)) {
		t.Errorf("memory: %v hits, %v bytes", s.metric("memory_hits_total"), s.metric("memory_cache_bytes"))
	}
	s.update("memory_cache = 0")
	s.get("/tall.jpg?w=160") // makes the cache look at its limit
	deadline := time.Now().Add(wait.Patience)
	for s.metric("memory_cache_bytes") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%v bytes stay in memory", s.metric("memory_cache_bytes"))
		}
		s.get("/hills.jpg?w=320")
	}
	if a := s.get("/hills.jpg?w=320"); !bytes.Equal(a.body, want) || s.metric("disk_hits_total") == 0 {
		t.Errorf("from disk: %d bytes, %v hits", len(a.body), s.metric("disk_hits_total"))
	}
	if n := s.metric("make_duration_seconds"); n != 2 {
		t.Errorf("%v versions made, want 2", n)
	}
}

// openAt opens a service in the data folder dir; the second result ends it.
func openAt(t *testing.T, root, dir, more string) (*site, func()) {
	t.Helper()
	env := servicetest.NewEnvAt(t, "images", "test", dir)
	ctx, cancel := context.WithCancel(context.Background())
	svc, err := servicetest.MustDecode(t, kind(), fmt.Sprintf("root = %q\n%s", root, more)).Open(ctx, env.Env)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, root, env, svc, servicetest.HTTP(t, svc.(http.Handler))}
	return s, func() {
		s.srv.Close()
		cancel()
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What was made is there after a restart. Damage and emptying only cost the work
// again.
func TestCacheFilesMayGoOrRot(t *testing.T) {
	root, dir := gallery(t), filepath.Join(t.TempDir(), "images", "test")
	s, end := openAt(t, root, dir, "memory_cache = 0")
	want := s.get("/hills.jpg?w=320").body
	again := func(what string, made float64) {
		t.Helper()
		if a := s.get("/hills.jpg?w=320"); a.StatusCode != 200 || !bytes.Equal(a.body, want) {
			t.Errorf("%s: %s, %d bytes, want %d", what, a.Status, len(a.body), len(want))
		}
		if n := s.metric("make_duration_seconds"); n != made {
			t.Errorf("%s: %v versions made, want %v", what, n, made)
		}
	}
	again("as it is", 1)
	name := s.cached()[0]

	rotten := bytes.Clone(want)
	rotten[len(rotten)/2] ^= 0xff
	spoil := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spoil(rotten)
	again("one bit off", 2)
	again("repaired", 2)
	spoil(rotten[:10])
	again("truncated", 3)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	again("deleted", 4)
	if err := os.RemoveAll(filepath.Join(dir, "cache")); err != nil {
		t.Fatal(err)
	}
	again("all deleted, folders too", 5)
	again("and made again", 5)

	end()
	s, end = openAt(t, root, dir, "memory_cache = 0")
	again("after a restart", 0)
	end()
	spoil(rotten)
	s, end = openAt(t, root, dir, "memory_cache = 0")
	again("rotten after a restart", 1)
	end()
}

func TestCacheIsBounded(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	const n = 12
	for i := range n {
		write(t, fmt.Sprintf("%s/%d.jpg", root, i), jpegOf(t, photo(400, 300, i)))
	}
	s := serve(t, root, "cache_size = \"60KiB\"\nmemory_cache = 0")
	for i := range n {
		s.get(fmt.Sprintf("/%d.jpg?w=320", i))
		s.get("/0.jpg?w=320") // in use all the time
	}
	if b := s.metric("disk_cache_bytes"); b > 60<<10 || b == 0 {
		t.Errorf("%v bytes on disk with a limit of %d", b, 60<<10)
	}
	var onDisk int64
	for _, f := range s.cached() {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += fi.Size()
	}
	if onDisk > 60<<10 || s.metric("disk_evictions_total") == 0 {
		t.Errorf("%d bytes of pictures really, %v evictions", onDisk, s.metric("disk_evictions_total"))
	}
	made := s.metric("make_duration_seconds")
	if s.get("/0.jpg?w=320"); s.metric("make_duration_seconds") != made {
		t.Error("the one in use was evicted")
	}
	if s.get("/1.jpg?w=320"); s.metric("make_duration_seconds") != made+1 {
		t.Error("the oldest one was not evicted")
	}
	// A smaller limit acts at once; none means none.
	s.update("cache_size = \"20KiB\"\nmemory_cache = 0")
	if b := s.metric("disk_cache_bytes"); b > 20<<10 {
		t.Errorf("%v bytes after the limit went down", b)
	}
	s.update("cache_size = 0\nmemory_cache = 0")
	if a := s.get("/3.jpg?w=320"); a.StatusCode != 200 || s.metric("disk_cache_files") != 0 {
		t.Errorf("without a cache: %s, %v files", a.Status, s.metric("disk_cache_files"))
	}
	// A reserve that no disk has: the same.
	s.update("reserve = \"100000TiB\"\nmemory_cache = 0")
	if a := s.get("/4.jpg?w=320"); a.StatusCode != 200 || s.metric("disk_cache_files") != 0 {
		t.Errorf("beyond the reserve: %s, %v files", a.Status, s.metric("disk_cache_files"))
	}
	if logs := s.env.LoudLogs(); len(logs) != 0 {
		t.Errorf("logged: %v", logs)
	}
}

// A cache that cannot be written does not keep pictures from being delivered.
func TestUnwritableCache(t *testing.T) {
	s := serve(t, gallery(t), "memory_cache = 0")
	s.get("/hills.jpg?w=160")
	cache := filepath.Join(s.env.Dir, "cache")
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache, nil, 0o600); err != nil { // a file in its way; also root cannot write there
		t.Fatal(err)
	}
	for range 3 {
		if a := s.get("/hills.jpg?w=160"); a.StatusCode != 200 {
			t.Fatalf("%s: %s", a.Status, a.body)
		}
	}
	if len(s.env.LoudLogs()) == 0 {
		t.Error("nobody was told")
	}
}

func TestHugePictureIsDeliveredAsItIs(t *testing.T) {
	root := gallery(t)
	b := jpegOf(t, photo(64, 64, 0))
	at := bytes.Index(b, []byte{0xff, 0xc0}) + 5
	binary.BigEndian.PutUint16(b[at:], 60000)
	binary.BigEndian.PutUint16(b[at+2:], 60000)
	write(t, root+"/huge.jpg", b)
	s := serve(t, root, "")
	if a := s.get("/huge.jpg"); a.StatusCode != 200 || !bytes.Equal(a.body, b) {
		t.Errorf("as it is: %s", a.Status)
	}
	if a := s.get("/huge.jpg?w=320"); a.StatusCode != 422 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("made smaller: %s", a.Status)
	}
	s.update("max_pixels = 10000")
	if a := s.get("/hills.jpg?w=320"); a.StatusCode != 422 {
		t.Errorf("above max_pixels: %s", a.Status)
	}
	s.update("")
	if a := s.get("/hills.jpg?w=320"); a.StatusCode != 200 {
		t.Errorf("below max_pixels again: %s", a.Status)
	}
}

// stuck is a codec that does not end before it is told to.
type stuck struct{ entered, leave chan struct{} }

func (c stuck) EncodeJPEG(w io.Writer, _ image.Image, _ int, _ bool) error {
	c.entered <- struct{}{}
	<-c.leave
	_, err := w.Write([]byte("\xff\xd8\xff"))
	return err
}

func TestBusy(t *testing.T) {
	c := stuck{make(chan struct{}, 10), make(chan struct{})}
	pool := picture.NewPool(picture.Options{Workers: 1, Wait: 20 * time.Millisecond, Codec: c})
	svc, env := servicetest.Open(t, service.KindOf(images.Type{Pictures: pool}), fmt.Sprintf("root = %q", gallery(t)))
	s := &site{t, "", env, svc, servicetest.HTTP(t, svc.(http.Handler))}
	var wg sync.WaitGroup
	wg.Go(func() { s.get("/hills.jpg?w=320") })
	<-c.entered
	a := s.get("/hills.jpg?w=160", "Accept", "application/json")
	if a.StatusCode != 503 || a.Header.Get("Retry-After") != "2" || !strings.Contains(string(a.body), `"busy"`) {
		t.Errorf("%s, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.body)
	}
	if a := s.get("/hills.jpg"); a.StatusCode != 200 {
		t.Errorf("the picture itself, meanwhile: %s", a.Status)
	}
	close(c.leave)
	wg.Wait()
	wait.Right(t, func() string { // the worker is free just after that
		if a := s.get("/hills.jpg?w=160"); a.StatusCode != 200 {
			return "afterwards: " + a.Status
		}
		return ""
	})
}

func TestDataFolderIsLeased(t *testing.T) {
	s := serve(t, gallery(t), "")
	spec := servicetest.MustDecode(t, kind(), fmt.Sprintf("root = %q", s.root))
	if svc, err := spec.Open(context.Background(), servicetest.NewEnvAt(t, "images", "test", s.env.Dir).Env); err == nil {
		_ = svc.Close()
		t.Error("two services have one folder")
	}
}
