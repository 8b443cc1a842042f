package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/upstream"
)

const (
	minCache settings.Size = 1 << 20
	maxCache settings.Size = 1 << 40
)

// mistakes collects what is wrong, each at its attribute.
type mistakes []error

func (m *mistakes) add(attr, summary, format string, args ...any) {
	*m = append(*m, &settings.Error{Attr: attr, Summary: summary, Detail: fmt.Sprintf(format, args...)})
}

func (m *mistakes) positive(attr string, d time.Duration) {
	if d <= 0 {
		m.add(attr, "The time must be positive", `Give a duration such as "5s".`)
	}
}

func (m *mistakes) between(attr string, n, least, most int) {
	if n < least || n > most {
		m.add(attr, "The number is out of range", "Give one from %d to %d.", least, most)
	}
}

func (m *mistakes) statuses(attr string, list []int, least int) {
	for _, s := range list {
		if s < least || s > 599 {
			m.add(attr, "This is not a status for here", "%d does not lie between %d and 599.", s, least)
		}
	}
}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	m := mistakes(upstream.Problems(c.Upstreams, c.Weights, upstream.ParseHTTP))
	c.validateChoice(&m)
	c.validatePath(&m)
	c.validateNumbers(&m)
	c.Headers.Request.validate(&m, "headers.request")
	c.Headers.Response.validate(&m, "headers.response")
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		m.add("tls.certificate", "A certificate and its key belong together", "Give certificate and key, or neither.")
	} else if err := c.TLS.read(); err != nil {
		attr := "tls.ca"
		if errors.Is(err, errClientCertificate) {
			attr = "tls.certificate"
		}
		m.add(attr, "The certificates cannot be used", "%v. Name a file with certificates in PEM.", err)
	}
	if n := c.TLS.ServerName; n != "" && !httpguts.ValidHostHeader(n) {
		m.add("tls.server_name", "This is not a name", "%q cannot be the name of a server.", n)
	}
	return errors.Join(m...)
}

func (c *Config) validateChoice(m *mistakes) {
	if !slices.Contains([]string{"round_robin", "least_connections", "hash", "sticky"}, c.Balance) {
		m.add("balance", "This is no way to choose an upstream", `%q is not one of "round_robin", "least_connections", "hash" and "sticky".`, c.Balance)
	}
	kind, name, ok := strings.Cut(c.HashKey, ":")
	if c.HashKey != "client" && (!ok || kind != "header" && kind != "cookie" || !httpguts.ValidHeaderFieldName(name)) {
		m.add("hash_key", "Nothing to go by", `%q is not "client", "header:NAME" or "cookie:NAME".`, c.HashKey)
	}
	if c.Host == "" || !httpguts.ValidHostHeader(c.Host) {
		m.add("host", "This is not a host", `%q is not "client", "upstream" or the name of a host.`, c.Host)
	}
}

func (c *Config) validatePath(m *mistakes) {
	if p := c.StripPrefix; p != "" && (!strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || !plainPath(p)) {
		m.add("strip_prefix", "This is not the beginning of a path", `%q must begin with a slash and not end with one, as in "/api", without %% or ?.`, p)
	}
	p := c.Rewrite
	if p == "" {
		return
	}
	if rest := strings.ReplaceAll(p, "{path}", ""); strings.ContainsAny(rest, "{}") {
		m.add("rewrite", "Unknown braces in the path", "Only {path} is known.")
	}
	if begin, _, _ := strings.Cut(p, "{path}"); !strings.HasPrefix(p, "{path}") && !strings.HasPrefix(begin, "/") || strings.ContainsAny(p, "?#") || !validPath(p) {
		m.add("rewrite", "This is not a path", `%q must begin with a slash or {path}, as in "/v2{path}", and have no query.`, p)
	}
}

// plainPath reports whether each byte of a path stands for itself.
func plainPath(p string) bool { return !strings.ContainsAny(p, "?#%") && validPath(p) }

func validPath(p string) bool {
	u, err := url.ParseRequestURI("/" + strings.ReplaceAll(p, "{path}", ""))
	return err == nil && !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r > '~' }) && u.RawQuery == ""
}

func (c *Config) validateNumbers(m *mistakes) {
	m.positive("timeouts.connect", c.Timeouts.Connect)
	m.positive("timeouts.header", c.Timeouts.Header)
	m.positive("timeouts.idle", c.Timeouts.Idle)
	m.positive("timeouts.keep_alive", c.Timeouts.KeepAlive)
	m.between("limits.requests", c.Limits.Requests, 0, 1_000_000)
	m.between("limits.queue", c.Limits.Queue, 0, 100_000)
	if c.Limits.Queue > 0 {
		m.positive("limits.wait", c.Limits.Wait)
	}
	m.between("retry.attempts", c.Retry.Attempts, 1, 10)
	m.statuses("retry.statuses", c.Retry.Statuses, 400)
	m.between("passive.fails", c.Passive.Fails, 0, 1000)
	if c.Passive.Fails > 0 {
		m.positive("passive.within", c.Passive.Within)
		m.positive("passive.down", c.Passive.Down)
	}
	m.statuses("passive.statuses", c.Passive.Statuses, 400)
	c.Cache.validate(m)
	h := c.Health
	if h == nil {
		return
	}
	if !strings.HasPrefix(h.Path, "/") || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
		m.add("health.path", "This is not a path", `%q must begin with a slash, as in "/healthz".`, h.Path)
	} else if _, err := url.ParseRequestURI(h.Path); err != nil {
		m.add("health.path", "This is not a path", "%v.", err)
	}
	if h.Host != "" && !httpguts.ValidHostHeader(h.Host) {
		m.add("health.host", "This is not a host", "%q cannot be a Host header.", h.Host)
	}
	m.statuses("health.status", h.Status, 200)
	m.positive("health.interval", h.Interval)
	m.positive("health.timeout", h.Timeout)
	m.between("health.rise", h.Rise, 1, 1000)
	m.between("health.fall", h.Fall, 1, 1000)
}

func (c *Cache) validate(m *mistakes) {
	if c == nil {
		return
	}
	if c.Size < minCache || c.Size > maxCache {
		m.add("cache.size", "The size is out of range", "Give one from %v to %v.", minCache, maxCache)
	} else if c.MaxAnswer < 1 || c.MaxAnswer > c.Size/4 {
		m.add("cache.max_answer", "The size is out of range", "Give one of at most %v, a quarter of the cache's size.", c.Size/4)
	}
	m.positive("cache.wait", c.Wait)
}

// framing are headers that say where a message ends or what a connection does:
// they are the proxy's own affair.
var framing = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (r *HeaderRules) validate(m *mistakes, block string) {
	name := func(attr, name string) {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			m.add(block+"."+attr, "This is not the name of a header", "%q may have letters, digits and hyphens.", name)
		case slices.ContainsFunc(framing, func(f string) bool { return strings.EqualFold(f, name) }):
			m.add(block+"."+attr, "This header cannot be changed", "%q belongs to the connection; portico writes it itself. For Host there is the option host.", name)
		}
	}
	for _, n := range r.Remove {
		name("remove", n)
	}
	for attr, list := range map[string]map[string]string{"set": r.Set, "add": r.Add} {
		for _, n := range slices.Sorted(maps.Keys(list)) {
			name(attr, n)
			if !httpguts.ValidHeaderFieldValue(list[n]) {
				m.add(block+"."+attr, "This cannot be the value of a header", "The value of %q has a line break or another control character.", n)
			}
		}
	}
}

// read notes what is in the files.
func (t *TLS) read() error {
	c, err := newTLSClient(*t)
	if err == nil {
		t.sum = c.cfg.sum
	}
	return err
}

// options are what a valid configuration means for the pool.
func (c *Config) options() upstream.Options {
	balance := upstream.Balance(c.Balance)
	if c.Balance == "sticky" {
		balance = upstream.RoundRobin // for who is new
	}
	return upstream.Options{
		Targets:   upstream.Targets(c.Upstreams, c.Weights, upstream.ParseHTTP),
		Balance:   balance,
		Passive:   upstream.Passive{Fails: c.Passive.Fails, Within: c.Passive.Within, Down: c.Passive.Down},
		MaxLeases: c.Limits.Requests,
		Queue:     c.Limits.Queue,
		QueueTime: c.Limits.Wait,
	}
}
