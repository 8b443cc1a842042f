package proxy

import (
	"crypto/sha256"
	"time"

	"github.com/porticod/portico/pkg/settings"
)

// Config is the body of a service "proxy" block. Every option can be changed
// while the service runs; requests under way end as they began.
type Config struct {
	// Upstreams are the servers: "http://host:port", "https://host:port",
	// "h2c://host:port" for HTTP/2 without TLS, or "unix:/path" for HTTP/1 over
	// a socket.
	Upstreams settings.Strings `hcl:"upstreams"`
	// Balance is how one of several is chosen: "round_robin", in turn;
	// "least_connections", the one with the fewest requests; "hash", by
	// hash_key; "sticky", where a client was first, which a cookie named
	// portico_proxy_ and the name of the service remembers.
	Balance string `hcl:"balance,optional"`
	// HashKey is what "hash" goes by: "client", the address of the client;
	// "header:NAME"; "cookie:NAME". A request without that header or cookie goes
	// by the client's address.
	HashKey string `hcl:"hash_key,optional"`
	// Weights give upstreams a larger share than 1, as in
	// { "http://127.0.0.1:9000" = 3 }.
	Weights map[string]int `hcl:"weights,optional"`
	// Host is the Host header for the upstream: "client", what the client asked
	// for; "upstream", the upstream's own address; or a fixed name.
	Host string `hcl:"host,optional"`
	// StripPrefix is taken off the beginning of the path, as "/api"; a path
	// that does not begin with it stays as it is.
	StripPrefix string `hcl:"strip_prefix,optional"`
	// Rewrite is the path for the upstream, in which {path} stands for the
	// client's, after strip_prefix, such as "/v2{path}". The query stays.
	Rewrite string `hcl:"rewrite,optional"`
	// Compress compresses answers of types that are worth it, with zstd, brotli
	// or gzip, for clients that accept it, where the upstream did not.
	Compress bool `hcl:"compress,optional"`
	// Cache keeps answers in memory, where their headers allow it, and gives them
	// to who asks for the same (RFC 9111). Without the block nothing is kept.
	Cache *Cache `hcl:"cache,block"`
	// Timeouts end what takes too long.
	Timeouts Timeouts `hcl:"timeouts,block"`
	// Limits protect the upstreams.
	Limits Limits `hcl:"limits,block"`
	// Retry sends requests to another upstream.
	Retry Retry `hcl:"retry,block"`
	// Passive tells from requests that fail which upstreams are down.
	Passive Passive `hcl:"passive,block"`
	// Health asks the upstreams without waiting for clients.
	Health *Health `hcl:"health,block"`
	// Headers change headers on their way.
	Headers Headers `hcl:"headers,block"`
	// TLS is how "https://" upstreams are checked.
	TLS TLS `hcl:"tls,block"`
}

// Cache is how much is kept.
type Cache struct {
	// Size is how much memory answers may take, with those that are just coming
	// in, from "1MiB" on. The default is "64MiB".
	Size settings.Size `hcl:"size,optional"`
	// MaxAnswer is how large the body of an answer may be that is kept; at most a
	// quarter of size. The default is "4MiB".
	MaxAnswer settings.Size `hcl:"max_answer,optional"`
	// Wait is how long requests wait for the first one that asks for the same.
	// Then they ask the upstream themselves. The default is "5s".
	Wait time.Duration `hcl:"wait,optional"`
}

// Timeouts are how long an upstream may take.
type Timeouts struct {
	// Connect is for the connection, with its TLS handshake.
	Connect time.Duration `hcl:"connect,optional"`
	// Header is from the end of the request to the header of the answer, or up to
	// a quarter longer.
	Header time.Duration `hcl:"header,optional"`
	// Idle ends a request, an answer or a WebSocket of which nothing moved for
	// so long, or up to a quarter longer.
	Idle time.Duration `hcl:"idle,optional"`
	// KeepAlive is how long an unused connection to an upstream stays open. It
	// should be shorter than the upstream's own.
	KeepAlive time.Duration `hcl:"keep_alive,optional"`
}

// Limits bound what an upstream gets at a time. What is beyond waits in a queue;
// what finds that full or waits too long gets 503 with Retry-After.
type Limits struct {
	// Requests is how many requests and WebSockets each upstream gets at a time;
	// 0 for any number.
	Requests int `hcl:"requests,optional"`
	// Queue is how many requests may wait, for all upstreams together.
	Queue int `hcl:"queue,optional"`
	// Wait is how long one may wait.
	Wait time.Duration `hcl:"wait,optional"`
}

// Retry sends a request that an upstream failed to another one: any request that
// could not even be sent; where something was sent, GET, HEAD, OPTIONS, PUT and
// DELETE without a body.
type Retry struct {
	// Attempts is how many upstreams are tried at most, with the first; 1 turns
	// retries off.
	Attempts int `hcl:"attempts,optional"`
	// Statuses are answers that count as a failure here, such as [502, 503].
	Statuses []int `hcl:"statuses,optional"`
}

// Passive is how an upstream counts as down whose requests fail: no connection,
// no answer in time, an answer that breaks off before it begins. With a single
// upstream there is nobody to turn to instead, and each request tries it anew.
type Passive struct {
	// Fails is after how many failures in a row; 0 never.
	Fails int `hcl:"fails,optional"`
	// Within is in how long a time they must all have been.
	Within time.Duration `hcl:"within,optional"`
	// Down is for how long it gets no requests then. Afterwards one tries it.
	Down time.Duration `hcl:"down,optional"`
	// Statuses are answers that count as a failure, such as [502, 503, 504].
	Statuses []int `hcl:"statuses,optional"`
}

// Health sends a GET to each upstream again and again.
type Health struct {
	// Path is what is asked for. The default is "/".
	Path string `hcl:"path,optional"`
	// Host is the Host header. The default is the upstream's own address.
	Host string `hcl:"host,optional"`
	// Status are the good answers. The default is any from 200 to 399.
	Status []int `hcl:"status,optional"`
	// Interval is the time between two checks. The default is "5s".
	Interval time.Duration `hcl:"interval,optional"`
	// Timeout is how long an answer may take. The default is "2s".
	Timeout time.Duration `hcl:"timeout,optional"`
	// Rise is how many good checks in a row make an upstream that was down
	// count as up. The default is 2.
	Rise int `hcl:"rise,optional"`
	// Fall is how many bad ones in a row make it count as down. The default
	// is 3.
	Fall int `hcl:"fall,optional"`
}

// Headers are rules for headers in both directions.
type Headers struct {
	// Request are rules for what the upstream gets.
	Request HeaderRules `hcl:"request,block"`
	// Response are rules for what the client gets.
	Response HeaderRules `hcl:"response,block"`
}

// HeaderRules are applied in the order remove, set, add.
type HeaderRules struct {
	// Remove are names of headers that are dropped.
	Remove settings.Strings `hcl:"remove,optional"`
	// Set are headers that replace those of the same name.
	Set map[string]string `hcl:"set,optional"`
	// Add are headers that stand beside those of the same name.
	Add map[string]string `hcl:"add,optional"`
}

// TLS is how the certificates of upstreams are checked.
type TLS struct {
	// CA is a file with the certificates, in PEM, that an upstream's must lead
	// to, in place of the system's. A changed file counts at the next reload.
	CA settings.Path `hcl:"ca,optional"`
	// ServerName is the name that the certificate must have, and that is asked
	// for. The default is the host of the upstream.
	ServerName string `hcl:"server_name,optional"`
	// Certificate is a file with the certificate, in PEM, that is shown to
	// upstreams that ask for one, with those that lead from it to theirs. A changed
	// file counts at the next reload.
	Certificate settings.Path `hcl:"certificate,optional"`
	// Key is the file with its private key, in PEM.
	Key settings.Path `hcl:"key,optional"`
	// Insecure takes any certificate, from whoever answers.
	Insecure bool `hcl:"insecure,optional"`

	sum [sha256.Size]byte // of the content of the files: another content is another configuration
}

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		Balance:  "round_robin",
		HashKey:  "client",
		Host:     "client",
		Timeouts: Timeouts{Connect: 5 * time.Second, Header: time.Minute, Idle: 10 * time.Minute, KeepAlive: time.Minute},
		Cache:    &Cache{Size: 64 << 20, MaxAnswer: 4 << 20, Wait: 5 * time.Second},
		Limits:   Limits{Queue: 100, Wait: 5 * time.Second},
		Retry:    Retry{Attempts: 3},
		Passive:  Passive{Fails: 5, Within: 10 * time.Second, Down: 5 * time.Second},
		Health:   &Health{Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3},
	}
}
