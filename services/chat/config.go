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
	// MaxAttachment is the largest attachment.
	MaxAttachment settings.Size `hcl:"max_attachment,optional"`
	// Quota is how much the attachments of one user may take together. Where the
	// same bytes are sent twice they count twice.
	Quota settings.Size `hcl:"quota,optional"`
	// MaxMembers is how many people a group may have.
	MaxMembers int `hcl:"max_members,optional"`
	// PublicURL is the address that people reach the service at, for links that
	// are sent around, such as "https://chat.example.org". Without it links are
	// relative.
	PublicURL string `hcl:"public_url,optional"`
	// Drain is the time over which clients are told to spread when they come
	// back after a restart.
	Drain time.Duration `hcl:"drain,optional"`
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
	// Calls is how many other calls and commands a user may make each second;
	// ten times as many at once.
	Calls int `hcl:"calls,optional"`
	// FailedLogins is how many wrong passwords are taken for one name from one
	// address in ten minutes. The accounts' own limit of 10 over all services
	// stays: a larger number changes nothing.
	FailedLogins int `hcl:"failed_logins,optional"`
	// SignUps is how many accounts one address may make in an hour. The accounts'
	// own limit of 20 over all services stays: a larger number changes nothing.
	SignUps int `hcl:"sign_ups,optional"`
}

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		Ping:          25 * time.Second,
		MaxText:       16 << 10,
		MaxAttachment: 100 << 20,
		Quota:         2 << 30,
		MaxMembers:    1000,
		Drain:         5 * time.Second,
		ResumeLimit:   10_000,
		Limits:        Limits{Sends: 100, Burst: 1000, Connections: 20, Calls: 200, FailedLogins: 10, SignUps: 20},
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
	if c.MaxAttachment < 1 || c.MaxAttachment > 16<<30 {
		wrong("max_attachment", "The size is out of range", "Give a size between 1 byte and 16GiB.")
	}
	if c.Quota < c.MaxAttachment {
		wrong("quota", "The size is out of range", "Give at least max_attachment: nobody could send one of that size.")
	}
	if c.MaxMembers < 2 || c.MaxMembers > 100_000 {
		wrong("max_members", "The number is out of range", "Give a number between 2 and 100000.")
	}
	if c.PublicURL != "" && !validOrigin(strings.TrimSuffix(c.PublicURL, "/")) {
		wrong("public_url", "Not an address of a site: "+c.PublicURL, `Write scheme and host, and no path: "https://chat.example.org".`)
	}
	if c.Drain < 0 || c.Drain > 10*time.Minute {
		wrong("drain", "The time is out of range", `Give a duration between "0s" and "10m".`)
	}
	if c.ResumeLimit < 1 || c.ResumeLimit > 1_000_000 {
		wrong("resume_limit", "The number is out of range", "Give a number between 1 and 1000000.")
	}
	for _, l := range []struct {
		attr string
		n    int
	}{{"limits.sends", c.Limits.Sends}, {"limits.burst", c.Limits.Burst}, {"limits.connections", c.Limits.Connections},
		{"limits.calls", c.Limits.Calls}, {"limits.failed_logins", c.Limits.FailedLogins}, {"limits.sign_ups", c.Limits.SignUps}} {
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
