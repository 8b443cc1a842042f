package front_test

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/route"
)

// nowhere is a ResponseWriter of no cost.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// TestAllocations counts what the front allocates for a request: limits that are
// off cost nothing, those that are on no more than their place in a table.
func TestAllocations(t *testing.T) {
	metrics := front.NewMetrics(prometheus.NewRegistry())
	count := func(proto int, most float64, s front.Settings) float64 {
		f := front.New(zerolog.Nop(), func() bool { return false }, func() *accesslog.Log { return nil })
		hello := []byte("hello")
		s.Listener, s.Limited = "l", metrics.Limited("l")
		s.Table = &route.Table{Default: &route.Target{
			Label: "default", Service: "k.n", Extra: metrics.Counters("l", "default", "k.n"),
			HTTP: func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(hello); return true },
		}}
		f.Apply(&s)
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr, r.ProtoMajor, r.Host = "198.51.100.1:4321", proto, "x"
		w := nowhere{http.Header{}}
		return allocs.Per(200, most, func() { f.ServeHTTP(w, r) })
	}
	off := count(1, 5, front.Settings{})
	t.Logf("%.0f allocations a request", off)
	if off > 5 {
		t.Errorf("%.0f allocations a request with all limits off, at most 4 wanted, 5 with the race detector", off)
	}
	if two := count(2, off, front.Settings{}); two > off {
		t.Errorf("HTTP/2: %.0f allocations, HTTP/1.1 has %.0f", two, off)
	}
	if on := count(1, off, front.Settings{Requests: 1e9, Bytes: 1 << 30, MinRate: 1}); on > off {
		t.Errorf("%.0f allocations with limits, %.0f without", on, off)
	}
}
