package chat

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/settings"
)

// Config is the body of a service "chat" block. Every option can be changed
// while the service runs; connections stay.
type Config struct {
	// AllowedOrigins are the web origins, besides the service's own, whose pages
	// may connect and call the API, such as "https://app.example.org".
	AllowedOrigins settings.Strings `hcl:"allowed_origins,optional"`
	// Ping is how long a WebSocket may be silent before the server asks whether
	// the client is still there.
	Ping time.Duration `hcl:"ping,optional"`
	// MaxText is the largest text of a message.
	MaxText settings.Size `hcl:"max_text,optional"`
	// ResumeLimit is how many missed events a client that comes back is sent. Who
	// missed more is told to read conversations and history anew.
	ResumeLimit int `hcl:"resume_limit,optional"`
	// Limits bound what one user or address can do.
	Limits Limits `hcl:"limits,block"`
}

// Limits is the limits block.
type Limits struct {
	// Sends is how many messages a user may send each second.
	Sends int `hcl:"sends,optional"`
	// Burst is how many messages a user who was quiet may send at once.
	Burst int `hcl:"burst,optional"`
	// Connections is how many WebSockets, event streams and long polls a user
	// may have open at a time.
	Connections int `hcl:"connections,optional"`
}

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		Ping:        25 * time.Second,
		MaxText:     16 << 10,
		ResumeLimit: 10_000,
		Limits:      Limits{Sends: 100, Burst: 1000, Connections: 20},
	}
}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(attr, summary, detail string) {
		errs = append(errs, &settings.Error{Attr: attr, Summary: summary, Detail: detail})
	}
	for _, o := range c.AllowedOrigins {
		if !validOrigin(o) {
			wrong("allowed_origins", "Not a web origin: "+o, `Write scheme, host and, where it is not the scheme's own, port, and no path: "https://app.example.org".`)
		}
	}
	if c.Ping < time.Second || c.Ping > 10*time.Minute {
		wrong("ping", "The time is out of range", `Give a duration between "1s" and "10m". Many networks forget a connection that is silent for longer.`)
	}
	if c.MaxText < 1 || c.MaxText > 64<<10 {
		wrong("max_text", "The size is out of range", "Give a size between 1 byte and 64KiB: a message must fit into one WebSocket frame of 128 KiB.")
	}
	if c.ResumeLimit < 1 || c.ResumeLimit > 1_000_000 {
		wrong("resume_limit", "The number is out of range", "Give a number between 1 and 1000000.")
	}
	for _, l := range []struct {
		attr string
		n    int
	}{{"limits.sends", c.Limits.Sends}, {"limits.burst", c.Limits.Burst}, {"limits.connections", c.Limits.Connections}} {
		if l.n < 1 || l.n > 1_000_000 {
			wrong(l.attr, "The number is out of range", "Give a number between 1 and 1000000.")
		}
	}
	return errors.Join(errs...)
}

// validOrigin accepts what a browser would send as Origin (RFC 6454, section 7).
func validOrigin(o string) bool {
	u, err := url.Parse(o)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		strings.EqualFold(u.Scheme+"://"+u.Host, o)
}
