package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/service"
)

// Reload is how the last Apply ended.
type Reload struct {
	At    time.Time `json:"at"`
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"`
}

// Status is what the daemon does at one moment.
type Status struct {
	Version    string           `json:"version"`
	PID        int              `json:"pid"`
	Started    time.Time        `json:"started"`
	File       string           `json:"file"`
	Generation int              `json:"generation"`
	Ready      bool             `json:"ready"`
	Degraded   string           `json:"degraded,omitempty"` // why it is not ready
	LastReload Reload           `json:"last_reload"`
	Listeners  []ListenerStatus `json:"listeners"`
	Services   []ServiceStatus  `json:"services"`
	// Storage says where services keep what is not in their folders: of blobs, the
	// bucket. The caller adds it.
	Storage map[string]string `json:"storage,omitempty"`
}

// ListenerStatus is one listener's part of it.
type ListenerStatus struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // as bound: with the ports that the kernel picked
	URLs      []string `json:"urls"`
	Service   string   `json:"service,omitempty"` // the default
	Routes    []string `json:"routes,omitempty"`
	TLS       bool     `json:"tls"`
	HTTP3     bool     `json:"http3"` // over UDP, at the same addresses
	// Certificates that clients may get; empty without TLS.
	Certificates []CertificateStatus `json:"certificates"`
	Connections  int                 `json:"connections"`
	Requests     int                 `json:"requests_in_progress"`
}

// ServiceStatus is one service's part of it.
type ServiceStatus struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	State       string `json:"state"`              // running, draining
	Health      string `json:"health"`             // ok, or what is wrong
	Starting    bool   `json:"starting,omitempty"` // it needs nothing but time
	Calls       int64  `json:"calls"`              // requests and raw connections since it was opened
	InProgress  int    `json:"in_progress"`
	Connections int    `json:"connections"` // long-lived ones
}

// SocketInfo is one live connection.
type SocketInfo struct {
	Listener string `json:"listener"`
	mux.Info
}

// checkTime bounds how long a service may take to say how it is.
const checkTime = 2 * time.Second

// ReloadFailed notes that a new configuration was refused before Apply: its
// file was bad.
func (d *Daemon) ReloadFailed(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloads.fail()
	d.lastReload = Reload{At: time.Now(), Error: err.Error()}
}

// nowadays is a moment by the clock as it is now: it may have been set since, as
// one that began in 1970.
func nowadays(t time.Time) time.Time {
	now := time.Now()
	return now.Add(-now.Sub(t))
}

// Status asks every service how it is, for at most two seconds.
func (d *Daemon) Status() Status {
	d.mu.Lock()
	s := Status{Version: d.version, PID: os.Getpid(), Started: nowadays(d.started), Generation: d.generation, LastReload: d.lastReload}
	var listeners []config.Listener
	if d.cfg != nil {
		s.File, listeners = d.cfg.File, d.cfg.Listeners
	}
	for _, cfg := range listeners {
		s.Listeners = append(s.Listeners, d.listenerStatus(cfg))
	}
	running := make([]*instance, 0, len(d.services))
	if d.cfg != nil {
		for _, spec := range d.cfg.Services {
			running = append(running, d.services[spec.Ref()])
		}
	}
	draining := slices.Concat(slices.Collect(maps.Values(d.draining))...)
	stopped := d.stopped
	d.mu.Unlock()

	s.Services = make([]ServiceStatus, len(running), len(running)+len(draining))
	var wg sync.WaitGroup
	for i, in := range running {
		wg.Go(func() { s.Services[i] = in.status(true) })
	}
	wg.Wait()
	for _, in := range draining {
		s.Services = append(s.Services, in.status(false))
	}
	why := unready(s)
	if d.memory.Full() {
		why = append(why, "the limit of memory is reached")
	}
	if stopped {
		why = []string{"stopping"}
	}
	s.Ready, s.Degraded = len(why) == 0, strings.Join(why, "; ")
	return s
}

// Ready is nil when everything is bound and every service is well.
func (d *Daemon) Ready() error {
	if s := d.Status(); !s.Ready {
		return errors.New(s.Degraded)
	}
	return nil
}

// unready is why s is not ready, for people; empty: it is.
func unready(s Status) (why []string) {
	if s.Generation == 0 {
		return []string{"no configuration was applied yet"}
	}
	for _, svc := range s.Services {
		if svc.State == "running" && svc.Health != "ok" {
			why = append(why, fmt.Sprintf("service %s.%s: %s", svc.Kind, svc.Name, svc.Health))
		}
	}
	return why
}

func (in *instance) status(running bool) ServiceStatus {
	s := ServiceStatus{Kind: in.ref.Kind, Name: in.ref.Name, State: "draining", Health: "ok", Calls: in.calls.Load()}
	s.InProgress, s.Connections = in.load()
	if !running {
		return s
	}
	s.State = "running"
	svc := in.service()
	if svc == nil {
		s.Health = (*in.why.Load()).Error()
	}
	if c, ok := svc.(service.Checker); ok {
		ctx, cancel := context.WithTimeout(context.Background(), checkTime)
		defer cancel()
		if err := c.Check(ctx); err != nil {
			s.Health, s.Starting = err.Error(), errors.Is(err, service.ErrStarting)
		}
	}
	return s
}

// listenerStatus needs d.mu.
func (d *Daemon) listenerStatus(cfg config.Listener) ListenerStatus {
	l := d.listeners[cfg.Name]
	conns := l.port.Open()
	s := ListenerStatus{Name: cfg.Name, TLS: cfg.TLS != nil, HTTP3: cfg.HTTP3, Certificates: d.certificates(cfg.Name), Connections: conns, Requests: l.front.Active(), Addresses: []string{}, URLs: []string{}}
	speaksHTTP := false
	if cfg.Service != nil {
		s.Service = cfg.Service.String()
		speaksHTTP = d.services[*cfg.Service].ability.Has(service.HTTP)
	}
	for _, r := range cfg.Routes {
		s.Routes = append(s.Routes, routeText(r))
		speaksHTTP = speaksHTTP || d.services[r.Service].ability.Has(service.HTTP)
	}
	for _, a := range cfg.Addresses {
		sock := d.bound[keyOf(cfg, a)]
		s.Addresses = append(s.Addresses, addrText(a, sock))
		s.URLs = append(s.URLs, urlOf(a, sock, s.TLS, speaksHTTP))
	}
	return s
}

// routeText is a route's conditions and target, for people.
func routeText(r config.Route) string {
	var parts []string
	add := func(name string, values []string) {
		if len(values) > 0 {
			parts = append(parts, name+" "+strings.Join(values, ","))
		}
	}
	add("protocol", r.Protocols)
	add("host", r.Hosts)
	add("path", r.Paths)
	add("sni", r.SNI)
	add("alpn", r.ALPN)
	from := make([]string, len(r.From))
	for i, p := range r.From {
		from[i] = p.String()
	}
	add("from", from)
	return strings.Join(parts, " ") + " -> " + r.Service.String()
}

func addrText(a config.Address, s *listen.Socket) string {
	if a.Network == "unix" {
		return "unix:" + a.Host
	}
	a.Port = s.Port() // that the kernel picked
	return a.String()
}

// urlOf is what one types into curl or a browser on this machine.
func urlOf(a config.Address, s *listen.Socket, tls, http bool) string {
	if a.Network == "unix" {
		return "unix:" + a.Host
	}
	scheme := "tcp"
	switch {
	case a.Network == "udp":
		scheme, http = "udp", false
	case http && tls:
		scheme = "https"
	case http:
		scheme = "http"
	case tls:
		scheme = "tls"
	}
	host := a.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(s.Port()))
	if http {
		url += "/"
	}
	return url
}

// Sockets lists the live connections, listener by listener.
func (d *Daemon) Sockets() []SocketInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []SocketInfo{}
	if d.cfg == nil {
		return list
	}
	for _, cfg := range d.cfg.Listeners {
		for _, c := range d.listeners[cfg.Name].port.Conns() {
			list = append(list, SocketInfo{Listener: cfg.Name, Info: c})
		}
	}
	return list
}
