package options_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const cached = `
variable "app" {}
service "proxy" "cache" {
  upstreams = ["http://${var.app}"]
  cache {
    size       = "1MiB"
    max_answer = "200KiB"
    wait       = "200ms"
  }
}
`

// option: proxy.cache.size proxy.cache.max_answer proxy.cache.wait
func TestProxyCache(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	arrived, gate := make(chan struct{}, 10), make(chan struct{})
	d := start(t, cached+port("proxy", "cache"), "app", backend(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", "max-age=600")
		n := 150_000
		switch r.URL.Path {
		case "/large":
			n = 250_000
		case "/gate":
			arrived <- struct{}{}
			<-gate
		}
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	}))
	url := d.URL("cache")
	times := func(paths ...string) int32 {
		before := asked.Load()
		for _, p := range paths {
			get(t, url+p).is(t, http.StatusOK, "")
		}
		return asked.Load() - before
	}
	if got := times("/small", "/small", "/small"); got != 1 {
		t.Errorf("a small answer was asked for %d times", got)
	}
	if got := times("/large", "/large", "/large"); got != 3 {
		t.Errorf("a large answer was asked for %d times", got)
	}
	many := make([]string, 12) // more than 1 MiB
	for i := range many {
		many[i] = fmt.Sprint("/", i)
	}
	times(many...)
	if got := times(many...); got == 0 {
		t.Error("more is kept than there is room for")
	}

	answers := make(chan int, 2)
	begin := time.Now()
	for range 2 { // the second one waits for the first, but not for long
		go func() {
			a, err := try(t, client, http.MethodGet, url+"/gate", "")
			if err != nil {
				t.Error(err)
				answers <- 0
				return
			}
			answers <- a.StatusCode
		}()
		receive(t, arrived)
	}
	if took := time.Since(begin); took > 4*time.Second { // the default is 5s
		t.Errorf("it waited for %v", took)
	}
	close(gate)
	for range 2 {
		if got := receive(t, answers); got != http.StatusOK {
			t.Errorf("status %d", got)
		}
	}
}
