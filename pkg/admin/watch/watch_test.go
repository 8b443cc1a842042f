package watch_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/tlsconf"
)

// rig is a daemon's metrics, as they are really named, and a status.
type rig struct {
	*prometheus.Registry
	requests, errors *prometheus.CounterVec
	seconds          *prometheus.HistogramVec
	messages         prometheus.Counter
	status           daemon.Status
}

func newRig() *rig {
	labels := []string{"listener", "route", "service"}
	r := &rig{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_http_requests_total", Help: "h"}, labels),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_http_server_errors_total", Help: "h"}, labels),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "portico_http_request_seconds", Help: "h", Buckets: []float64{1, 2, 4}}, labels),
		messages: prometheus.NewCounter(prometheus.CounterOpts{Name: "portico_chat_messages_total", Help: "Messages stored.", ConstLabels: prometheus.Labels{"service": "chat.w"}}),
	}
	unknown := prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_chat_unknown", Help: "h", ConstLabels: prometheus.Labels{"service": "chat.w"}})
	unknown.Set(math.NaN())
	waiting := prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_pictures_memory_bytes", Help: "h"})
	waiting.Set(42)
	r.MustRegister(r.requests, r.errors, r.seconds, r.messages, unknown, waiting)
	r.status = daemon.Status{
		Version: "1", Started: time.Now().Add(-10 * time.Second), Ready: true,
		Listeners: []daemon.ListenerStatus{
			{Name: "a", Service: "chat.w", Routes: []string{"host x -> respond.r"}},
			{Name: "b", Service: "chat.w"},
		},
		Services: []daemon.ServiceStatus{
			{Kind: "chat", Name: "w", State: "running", Health: "ok", Calls: 5},
			{Kind: "respond", Name: "r", State: "running", Health: "ok"},
		},
	}
	return r
}

func (r *rig) take() *watch.Sample { return watch.Take(r, func() daemon.Status { return r.status }) }

func (r *rig) answer(listener, route, service string, n int, took float64) {
	for range n {
		r.requests.WithLabelValues(listener, route, service).Inc()
		r.seconds.WithLabelValues(listener, route, service).Observe(took)
	}
}

// near allows for the time between the looks.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.02*math.Abs(want)+1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRatesBetweenLooks(t *testing.T) {
	r := newRig()
	r.answer("a", "default", "chat.w", 1000, 3.9) // before the first look: must not show
	first := r.take()
	time.Sleep(20 * time.Millisecond)
	r.answer("a", "default", "chat.w", 30, 0.5)
	r.answer("a", "route1", "respond.r", 10, 1.5)
	r.answer("b", "default", "chat.w", 60, 0.5) // a series that was not there
	r.errors.WithLabelValues("a", "route1", "respond.r").Add(4)
	r.messages.Add(7)
	r.status.Services = []daemon.ServiceStatus{{Kind: "chat", Name: "w", State: "running", Health: "ok", Calls: 95}, {Kind: "respond", Name: "r", State: "running", Health: "bad"}}
	v := watch.Compare(first, r.take())

	per := func(n float64) float64 { return n / v.Seconds }
	near(t, "all requests a second", v.Total.Requests, per(100))
	near(t, "ever", v.Total.AllRequests, 1100)
	near(t, "listener a", v.Listeners[0].Requests, per(40))
	near(t, "listener b", v.Listeners[1].Requests, per(60))
	near(t, "errors of a", v.Listeners[0].ServerErrors, per(4))
	if n := len(v.Listeners[0].Routes); n != 2 {
		t.Fatalf("%d routes", n)
	}
	near(t, "route1", v.Listeners[0].Routes[0].Requests, per(10))
	if got := v.Listeners[0].Routes[0].Service; got != "respond.r" {
		t.Errorf("route1 leads to %q", got)
	}
	near(t, "default", v.Listeners[0].Routes[1].Requests, per(30))
	near(t, "service", v.Services[0].Requests, per(90))
	near(t, "calls", v.Services[0].Calls, per(90))
	near(t, "p50 of a: 30 of 40 below 1 s", v.Listeners[0].P50, 20./30)
	near(t, "p99 of a", v.Listeners[0].P99, 1+9.6/10)
	near(t, "p99 of b", v.Listeners[1].P99, .99)
	if len(v.Services[0].Numbers) != 1 {
		t.Fatalf("what is not known shows: %+v", v.Services[0].Numbers)
	}
	n := v.Services[0].Numbers[0]
	near(t, "messages", n.Value, per(7))
	if n.Name != "messages" || n.Unit != watch.UnitPerSecond || n.Help != "Messages stored." {
		t.Errorf("got %+v", n)
	}
	if len(v.Numbers) != 1 || v.Numbers[0].Name != "pictures memory" || v.Numbers[0].Unit != watch.UnitBytes || v.Numbers[0].Value != 42 {
		t.Errorf("got %+v", v.Numbers)
	}
	if _, err := json.Marshal(v); err != nil {
		t.Error(err)
	}
}

// With one look there are no rates, and a service that was replaced counts from
// nothing.
func TestNothingToCompareWith(t *testing.T) {
	r := newRig()
	r.answer("a", "default", "chat.w", 10, 3)
	first := r.take()
	if v := watch.Compare(nil, first); v.Seconds != 0 || v.Total.Requests != 0 || v.Total.P50 != 0 || v.Total.AllRequests != 10 {
		t.Errorf("got %+v", v.Total)
	}
	v := watch.SinceStart(first)
	near(t, "on average", v.Total.Requests, 1)
	near(t, "p50", v.Total.P50, 3)

	again := newRig()
	again.answer("a", "default", "chat.w", 4, 1.5)
	v = watch.Compare(first, again.take())
	near(t, "after a reset", v.Total.Requests, 4/v.Seconds)
	near(t, "quantile after a reset", v.Total.P50, 1.5)
}

// The quantiles are those of PromQL at the edges, too.
func TestBeyondTheBuckets(t *testing.T) {
	r := newRig()
	first := r.take()
	r.answer("a", "default", "chat.w", 10, 100)
	if v := watch.Compare(first, r.take()); v.Total.P50 != 4 || v.Total.P99 != 4 {
		t.Errorf("p50 %v, p99 %v, want the last bound", v.Total.P50, v.Total.P99)
	}
}

// What the daemon counts has the names that this package looks for.
func TestNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := front.NewMetrics(reg)
	f.Counters("web", "default", "echo.e")
	m := mux.NewMetrics()
	reg.MustRegister(m)
	mux.NewPort(zerolog.Nop(), m).Apply(mux.Policy{Listener: "web"})
	m.AcceptError("web")
	v := watch.Compare(nil, watch.Take(reg, func() daemon.Status { return daemon.Status{} }))
	if len(v.Numbers) != 0 {
		t.Errorf("listeners' metrics show among the daemon's: %+v", v.Numbers)
	}
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]dto.MetricType{}
	for _, f := range list {
		have[f.GetName()] = f.GetType()
	}
	for _, name := range []string{"portico_http_requests_total", "portico_http_client_errors_total", "portico_http_server_errors_total", "portico_http_request_bytes_total", "portico_http_response_bytes_total", "portico_listener_accept_errors_total", "portico_listener_received_bytes_total", "portico_listener_sent_bytes_total"} {
		if typ, ok := have[name]; !ok || typ != dto.MetricType_COUNTER {
			t.Errorf("%s is no counter of the daemon's", name)
		}
	}
	if have["portico_http_request_seconds"] != dto.MetricType_HISTOGRAM {
		t.Error("portico_http_request_seconds is no histogram")
	}
}

func TestHealth(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	release := make(chan struct{})
	close(release)
	status := daemon.Status{
		Ready:    true,
		Services: []daemon.ServiceStatus{{Kind: "echo", Name: "e", State: "running", Health: "broken"}},
		Listeners: []daemon.ListenerStatus{{Name: "web", TLS: true, Certificates: []daemon.CertificateStatus{
			{Info: tlsconf.Info{NotAfter: soon.Add(time.Hour)}}, {Info: tlsconf.Info{NotAfter: soon}}, {Missing: true},
		}}},
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(watch.NewHealth(func() daemon.Status {
		<-release
		return status
	}))
	want := map[string]float64{
		"portico_ready": 1, "portico_service_healthy": 0, "portico_tls_certificates_missing": 1,
		"portico_tls_certificate_expiry_timestamp_seconds": float64(soon.Unix()),
	}
	check := func() {
		t.Helper()
		list, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != len(want) {
			t.Errorf("%d metrics, want %d", len(list), len(want))
		}
		for _, f := range list {
			if got := f.GetMetric()[0].GetGauge().GetValue(); got != want[f.GetName()] {
				t.Errorf("%s is %v, want %v", f.GetName(), got, want[f.GetName()])
			}
		}
	}
	check()
	// A daemon that is busy with a reload does not hold up the scrape.
	release = make(chan struct{})
	check()
	close(release)
}
