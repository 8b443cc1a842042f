// Package watch makes the numbers that people look at: rates and quantiles from
// two looks at a daemon's metrics, together with its status. `portico status`, `portico top`
// and the dashboard show the same View. It counts nothing itself and keeps no
// history.
package watch

import (
	"time"

	"github.com/porticod/portico/pkg/daemon"
)

// A View is what a daemon did between two looks at it. Rates are per second;
// they are 0 and mean nothing where Seconds is 0.
type View struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // between the looks; 0: there was only one yet

	Version    string        `json:"version"`
	PID        int           `json:"pid"`
	Started    time.Time     `json:"started"`
	File       string        `json:"file"`
	Generation int           `json:"generation"`
	Ready      bool          `json:"ready"`
	Degraded   string        `json:"degraded,omitempty"` // why it is not ready
	LastReload daemon.Reload `json:"last_reload"`

	Process   Process    `json:"process"`
	Total     Listening  `json:"total"` // over all listeners
	Listeners []Listener `json:"listeners"`
	Services  []Service  `json:"services"`
	// Numbers are those of the daemon that belong to no listener and no service.
	Numbers []Number `json:"numbers"`
}

// Process is what the daemon takes of its machine. Children are not counted.
type Process struct {
	CPU        float64 `json:"cpu"` // cores in use: 1 is one of them, wholly
	Memory     float64 `json:"memory_bytes"`
	Heap       float64 `json:"heap_bytes"` // of it, what Go objects take
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"open_files"`
	MaxFiles   float64 `json:"max_files"`
	GCPause    float64 `json:"gc_pause_seconds"` // the longest of late
}

// Traffic is HTTP, and where a field says so, raw connections. The quantiles are absent
// where nothing was answered.
type Traffic struct {
	Requests     float64 `json:"requests"`
	ClientErrors float64 `json:"client_errors"` // answers from 400 to 499
	ServerErrors float64 `json:"server_errors"` // answers from 500 on, and what no upstream of a relay took
	InFlight     float64 `json:"in_flight"`
	// Of listeners and the total all that came and went, on the wire; of routes and
	// services bodies, and what relays and proxied WebSockets passed on.
	BytesIn  float64 `json:"bytes_in"`
	BytesOut float64 `json:"bytes_out"`
	P50      float64 `json:"p50_seconds,omitempty"`
	P99      float64 `json:"p99_seconds,omitempty"`

	// Since the daemon started.
	AllRequests     float64 `json:"all_requests"`
	AllServerErrors float64 `json:"all_server_errors"`
}

// Listening is what came in, and the HTTP among it.
type Listening struct {
	Connections float64 `json:"connections"` // open now
	Accepted    float64 `json:"accepted"`
	Refused     float64 `json:"refused"` // before a service had them, by limits and rules, and failures to accept
	Traffic
}

// A Listener is one listener's part.
type Listener struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	URLs      []string `json:"urls"`
	TLS       bool     `json:"tls"`
	HTTP3     bool     `json:"http3"`
	Listening
	Routes       []Route                    `json:"routes"`
	Certificates []daemon.CertificateStatus `json:"certificates"`
}

// A Route is one route's part of a listener; the last is what no other takes.
type Route struct {
	Name    string `json:"name"` // route1, route2, ..., default
	Text    string `json:"text"` // what it matches and where it leads
	Service string `json:"service"`
	Traffic
}

// A Service is one service, whichever listeners lead to it.
type Service struct {
	Name        string  `json:"name"` // kind.name
	State       string  `json:"state"`
	Health      string  `json:"health"` // ok, or what is wrong
	Calls       float64 `json:"calls"`  // requests and raw connections
	InProgress  int     `json:"in_progress"`
	Connections int     `json:"connections"` // long-lived ones
	Traffic
	Numbers []Number `json:"numbers"` // what its kind counts
}

// Units of numbers.
const (
	UnitCount          = ""
	UnitBytes          = "bytes"
	UnitSeconds        = "seconds"
	UnitTime           = "time" // seconds since 1970
	UnitPerSecond      = "per_second"
	UnitBytesPerSecond = "bytes_per_second"
	UnitShare          = "seconds_per_second"
)

// A Number is one that a kind, or something that services share, counts by
// itself: its name is made from the metric's.
type Number struct {
	Name   string  `json:"name"`   // "messages", "jobs webp waiting"
	Metric string  `json:"metric"` // what it is called in /metrics
	Help   string  `json:"help"`
	Unit   string  `json:"unit"`
	Value  float64 `json:"value"`
	P50    float64 `json:"p50_seconds,omitempty"` // of what takes time
	P99    float64 `json:"p99_seconds,omitempty"`
}
