package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

// What requests say about what an answer depends on takes memory, too.
func TestVaryIsBounded(t *testing.T) {
	s, srv, calls := cached(t, says("x", "Cache-Control: max-age=60", "Vary: X-Mode"), func(c *proxy.Config) { c.Cache.Size, c.Cache.MaxAnswer = 1<<20, 1<<18 })
	mode := "X-Mode: " + strings.Repeat("m", 3<<10)
	const paths = 400 // 1.2 MiB of X-Mode
	for i := range paths {
		fetch(t, srv, "GET", fmt.Sprint("/", i), mode)
	}
	if n := metric(t, s, "cache_resources"); n < 50 || n*3*1024 > 1<<20 {
		t.Errorf("%v resources", n)
	}
	calls.Store(0)
	for range 2 { // nobody else says as much
		fetch(t, srv, "GET", "/", mode+mode)
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// Of an answer that turns out to be too large the rest belongs to one client:
// others do not wait for it, nor does it take room.
func TestTooLargeWhileItArrives(t *testing.T) {
	over, release := make(chan struct{}, 1), make(chan struct{})
	big := bytes.Repeat([]byte("x"), 2<<20)
	var n atomic.Int32
	_, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/" && n.Add(1) == 1 {
			_, _ = w.Write(big) // all but the end is there
			_ = http.NewResponseController(w).Flush()
			over <- struct{}{}
			await(release)
		}
		_, _ = io.WriteString(w, "end")
	}, func(c *proxy.Config) { c.Cache.Size, c.Cache.MaxAnswer = 4<<20, 1<<20 })
	first, err := srv.Client.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	if _, err := io.ReadFull(first.Body, make([]byte, len(big))); err != nil {
		t.Fatal(err)
	}
	await(over)
	if _, got := fetch(t, srv, "GET", "/"); !strings.HasPrefix(got, "200 end portico; fwd=uri-miss") { // waiting takes longer than the test may
		t.Error(got)
	}
	if _, got := fetch(t, srv, "GET", "/other"); !strings.HasSuffix(got, "; stored") {
		t.Error(got)
	}
	close(release)
	if rest, err := io.ReadAll(first.Body); err != nil || string(rest) != "end" {
		t.Errorf("%q, %v", rest, err)
	}
}

// What is fetched for nobody, and is not kept, is not read.
func TestRefreshingInVain(t *testing.T) {
	ended := make(chan error, 1)
	var n atomic.Int32
	s, srv, _ := cached(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Cache-Control", "max-age=50, stale-while-revalidate=100")
			w.Header().Set("Age", "60")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		part, err := make([]byte, 1<<20), error(nil)
		for range 100 { // more than the kernel's buffers hold
			if _, err = w.Write(part); err != nil {
				break
			}
		}
		ended <- err
	})
	fetch(t, srv, "GET", "/")
	fetch(t, srv, "GET", "/")
	if err := <-ended; err == nil {
		t.Error("100 MiB were read")
	}
	servicetest.WaitMetric(t, s, "portico_proxy_in_flight_requests", 0)
	if n := metric(t, s, "cache_misses_total"); n != 1 {
		t.Errorf("%v misses", n)
	}
}
