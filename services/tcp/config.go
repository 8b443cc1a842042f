package tcp

import (
	"errors"
	"fmt"
	"time"

	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/upstream"
)

// Config is the body of a service "tcp" block. Every option can be changed while
// the service runs; connections stay with what they began with.
type Config struct {
	// Upstreams are the servers: host:port, such as "127.0.0.1:22" or
	// "[::1]:22", or unix:/path for a socket.
	Upstreams settings.Strings `hcl:"upstreams"`
	// Balance is how one of several is chosen: "round_robin", in turn;
	// "least_connections", the one that has the fewest; "hash", by the address
	// of the client, so that it comes to the same one each time.
	Balance string `hcl:"balance,optional"`
	// Weights give upstreams a larger share than 1, as in
	// { "127.0.0.1:9000" = 3 }.
	Weights map[string]int `hcl:"weights,optional"`
	// SendProxy begins each connection to an upstream with a PROXY protocol
	// header, "v1" or "v2", that names the client. The upstream must expect it.
	// Packets of UDP get none.
	SendProxy string `hcl:"send_proxy,optional"`
	// ConnectTimeout is how long an upstream may take to accept a connection;
	// then another one is tried.
	ConnectTimeout time.Duration `hcl:"connect_timeout,optional"`
	// IdleTimeout closes a connection over which nothing came in either
	// direction for so long, or up to a quarter longer.
	IdleTimeout time.Duration `hcl:"idle_timeout,optional"`
	// UDPTimeout forgets a peer of a UDP address when no packet came in either
	// direction for so long. Until then it has an upstream and a port there.
	UDPTimeout time.Duration `hcl:"udp_timeout,optional"`
	// Passive tells from connections that fail which upstreams are down.
	Passive Passive `hcl:"passive,block"`
	// Health checks the upstreams without waiting for clients, by connecting
	// over TCP.
	Health *Health `hcl:"health,block"`
}

// Passive is how an upstream counts as down where connecting to it fails. With
// a single upstream there is nobody to turn to instead, and each client tries it
// anew.
type Passive struct {
	// Fails is after how many failures in a row; 0 never.
	Fails int `hcl:"fails,optional"`
	// Within is in how long a time they must all have been.
	Within time.Duration `hcl:"within,optional"`
	// Down is for how long it gets no connections then. Afterwards one tries it.
	Down time.Duration `hcl:"down,optional"`
}

// Health connects to each upstream again and again.
type Health struct {
	// Interval is the time between two checks. The default is "5s".
	Interval time.Duration `hcl:"interval,optional"`
	// Timeout is how long connecting may take. The default is "2s".
	Timeout time.Duration `hcl:"timeout,optional"`
	// Rise is how many good checks in a row make an upstream that was down
	// count as up. The default is 2.
	Rise int `hcl:"rise,optional"`
	// Fall is how many bad ones in a row make it count as down. The default
	// is 3.
	Fall int `hcl:"fall,optional"`
}

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		Balance:        string(upstream.RoundRobin),
		ConnectTimeout: 5 * time.Second,
		IdleTimeout:    10 * time.Minute,
		UDPTimeout:     time.Minute,
		Passive:        Passive{Fails: 3, Within: 10 * time.Second, Down: 5 * time.Second},
		Health:         &Health{Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3},
	}
}

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

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var m mistakes
	for _, err := range upstream.Problems(c.Upstreams, c.Weights, upstream.ParseRaw) {
		m = append(m, err)
	}
	switch upstream.Balance(c.Balance) {
	case upstream.RoundRobin, upstream.LeastConnections, upstream.Hash:
	default:
		m.add("balance", "This is no way to choose an upstream", `%q is not one of "round_robin", "least_connections" and "hash".`, c.Balance)
	}
	if c.SendProxy != "" && c.SendProxy != "v1" && c.SendProxy != "v2" {
		m.add("send_proxy", "There is no such PROXY protocol", `%q is not "v1" or "v2". Leave the line out to send no header.`, c.SendProxy)
	}
	m.positive("connect_timeout", c.ConnectTimeout)
	m.positive("idle_timeout", c.IdleTimeout)
	m.positive("udp_timeout", c.UDPTimeout)
	m.between("passive.fails", c.Passive.Fails, 0, 1000)
	if c.Passive.Fails > 0 {
		m.positive("passive.within", c.Passive.Within)
		m.positive("passive.down", c.Passive.Down)
	}
	if h := c.Health; h != nil {
		m.positive("health.interval", h.Interval)
		m.positive("health.timeout", h.Timeout)
		m.between("health.rise", h.Rise, 1, 1000)
		m.between("health.fall", h.Fall, 1, 1000)
	}
	return errors.Join(m...)
}

// options are what a valid configuration means for the pool.
func (c *Config) options(check checker) upstream.Options {
	opt := upstream.Options{
		Targets: upstream.Targets(c.Upstreams, c.Weights, upstream.ParseRaw),
		Balance: upstream.Balance(c.Balance),
		Passive: upstream.Passive(c.Passive),
	}
	if h := c.Health; h != nil {
		opt.Active = &upstream.Active{Interval: h.Interval, Timeout: h.Timeout, Rise: h.Rise, Fall: h.Fall, Check: check}
	}
	return opt
}
