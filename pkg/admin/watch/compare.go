package watch

import (
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/porticod/portico/pkg/daemon"
)

// Compare is what happened between two looks. Without an earlier one, nil,
// there are no rates yet.
func Compare(earlier, now *Sample) View {
	c := comparison{now: now}
	if earlier != nil {
		c.before, c.seconds = earlier, now.at.Sub(earlier.at).Seconds()
	}
	return c.view()
}

// SinceStart is what happened from the daemon's start until now: the rates are
// averages.
func SinceStart(now *Sample) View {
	start := &Sample{at: now.status.Started}
	return Compare(start, now)
}

// A comparison is the work on one View.
type comparison struct {
	before, now *Sample
	seconds     float64

	listeners map[string]*counted // by name
	routes    map[string]*counted // by listener, a space, and route
	services  map[string]*counted // by kind.name
	total     counted
}

// counted is a Listening on its way.
type counted struct {
	Listening
	took buckets
}

func (c *counted) done() Listening {
	c.P50, c.P99 = c.took.quantile(.5), c.took.quantile(.99)
	return c.Listening
}

// at is the entry of m, made where there was none.
func at(m map[string]*counted, name string) *counted {
	if m[name] == nil {
		m[name] = new(counted)
	}
	return m[name]
}

func (c *comparison) view() View {
	st := c.now.status
	v := View{
		At: c.now.at, Seconds: c.seconds,
		Version: st.Version, PID: st.PID, Started: st.Started, File: st.File, Generation: st.Generation,
		Ready: st.Ready, Degraded: st.Degraded, LastReload: st.LastReload,
		Process: c.process(), Listeners: make([]Listener, 0, len(st.Listeners)), Services: make([]Service, 0, len(st.Services)),
		Numbers: c.numbers(""),
	}
	c.count()
	v.Total = c.total.done()
	for _, l := range st.Listeners {
		v.Listeners = append(v.Listeners, c.listener(l))
	}
	for _, s := range st.Services {
		v.Services = append(v.Services, c.service(s))
	}
	return v
}

func (c *comparison) process() Process {
	p := Process{
		CPU:    c.rate("process_cpu_seconds_total", c.now.series["process_cpu_seconds_total"]),
		Memory: c.now.one("process_resident_memory_bytes"), Heap: c.now.one("go_memstats_heap_alloc_bytes"),
		Goroutines: c.now.one("go_goroutines"),
		Files:      c.now.one("process_open_fds"), MaxFiles: c.now.one("process_max_fds"),
	}
	for _, q := range c.now.series["go_gc_duration_seconds"].GetSummary().GetQuantile() {
		p.GCPause = max(p.GCPause, q.GetValue())
	}
	return p
}

// rate is how fast a counter grew. One that shrank was begun anew.
func (c *comparison) rate(name string, m *dto.Metric) float64 {
	if c.seconds <= 0 || m == nil {
		return 0
	}
	return grown(value(m), value(c.before.series[key(name, m)])) / c.seconds
}

func grown(now, before float64) float64 {
	if before > now {
		return now
	}
	return now - before
}

// The metrics of listeners and of requests, and what of a Listening they are.
func (c *comparison) count() {
	c.listeners, c.routes, c.services = map[string]*counted{}, map[string]*counted{}, map[string]*counted{}
	c.each("portico_listener_connections_open", func(to *counted, m *dto.Metric, _ float64) { to.Connections += value(m) })
	c.each("portico_listener_connections_total", func(to *counted, _ *dto.Metric, rate float64) { to.Accepted += rate })
	for _, name := range []string{"portico_listener_refused_total", "portico_listener_accept_errors_total"} {
		c.each(name, func(to *counted, _ *dto.Metric, rate float64) { to.Refused += rate })
	}
	c.each("portico_http_requests_total", func(to *counted, m *dto.Metric, rate float64) {
		to.Requests += rate
		to.AllRequests += value(m)
	})
	c.each("portico_http_client_errors_total", func(to *counted, _ *dto.Metric, rate float64) { to.ClientErrors += rate })
	for _, name := range []string{"portico_http_server_errors_total", "portico_tcp_unserved_total"} {
		c.each(name, func(to *counted, m *dto.Metric, rate float64) {
			to.ServerErrors += rate
			to.AllServerErrors += value(m)
		})
	}
	c.each("portico_http_requests_in_flight", func(to *counted, m *dto.Metric, _ float64) { to.InFlight += value(m) })
	c.countBytes()
	c.each("portico_http_request_seconds", func(to *counted, m *dto.Metric, _ float64) {
		if c.seconds > 0 {
			to.took.add(m.GetHistogram(), c.before.series[key("portico_http_request_seconds", m)].GetHistogram())
		}
	})
}

// countBytes counts what listeners moved as a whole, and of it what is known of routes
// and services: bodies, and what relays and proxies passed on.
func (c *comparison) countBytes() {
	in := func(to *counted, _ *dto.Metric, rate float64) { to.BytesIn += rate }
	out := func(to *counted, _ *dto.Metric, rate float64) { to.BytesOut += rate }
	c.each("portico_listener_received_bytes_total", in)
	c.each("portico_listener_sent_bytes_total", out)
	for _, name := range []string{"portico_http_request_bytes_total", "portico_tcp_received_bytes_total", "portico_proxy_websocket_received_bytes_total"} {
		c.parts(name, in)
	}
	for _, name := range []string{"portico_http_response_bytes_total", "portico_tcp_sent_bytes_total", "portico_proxy_websocket_sent_bytes_total"} {
		c.parts(name, out)
	}
}

// each adds every series of a metric to all that it belongs to.
func (c *comparison) each(name string, add func(to *counted, m *dto.Metric, rate float64)) {
	for _, m := range c.now.families[name].GetMetric() {
		rate := c.rate(name, m)
		add(&c.total, m, rate)
		add(at(c.listeners, label(m, "listener")), m, rate)
	}
	c.parts(name, add)
}

// parts is each without the total and the listeners.
func (c *comparison) parts(name string, add func(to *counted, m *dto.Metric, rate float64)) {
	for _, m := range c.now.families[name].GetMetric() {
		rate := c.rate(name, m)
		if route := label(m, "route"); route != "" {
			add(at(c.routes, label(m, "listener")+" "+route), m, rate)
		}
		if service := label(m, "service"); service != "" {
			add(at(c.services, service), m, rate)
		}
	}
}

func (c *comparison) listener(st daemon.ListenerStatus) Listener {
	l := Listener{
		Name: st.Name, Addresses: st.Addresses, URLs: st.URLs, TLS: st.TLS, HTTP3: st.HTTP3, Certificates: st.Certificates,
		Listening: at(c.listeners, st.Name).done(), Routes: make([]Route, 0, len(st.Routes)+1),
	}
	route := func(name, text, service string) {
		l.Routes = append(l.Routes, Route{Name: name, Text: text, Service: service, Traffic: at(c.routes, st.Name+" "+name).done().Traffic})
	}
	for i, text := range st.Routes {
		route("route"+strconv.Itoa(i+1), text, text[strings.LastIndex(text, " ")+1:])
	}
	if st.Service != "" {
		route("default", "-> "+st.Service, st.Service)
	}
	return l
}

func (c *comparison) service(st daemon.ServiceStatus) Service {
	name := st.Kind + "." + st.Name
	s := Service{
		Name: name, State: st.State, Health: st.Health, InProgress: st.InProgress, Connections: st.Connections,
		Traffic: at(c.services, name).done().Traffic, Numbers: []Number{},
	}
	if c.seconds > 0 {
		s.Calls = grown(float64(st.Calls), float64(c.before.calls(st.Kind, st.Name))) / c.seconds
	}
	if st.State == "running" {
		s.Numbers = c.numbers(name)
	}
	return s
}

// calls is how many calls a service had, 0 where it was not there.
func (s *Sample) calls(kind, name string) int64 {
	for _, st := range s.status.Services {
		if st.Kind == kind && st.Name == name && st.State == "running" {
			return st.Calls
		}
	}
	return 0
}
