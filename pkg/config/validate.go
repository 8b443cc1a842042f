package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/porticod/portico/pkg/settings"
)

// Validate implements settings.Validator.
func (l *logBlock) Validate() error {
	return errors.Join(
		oneOf("level", l.Level, "trace", "debug", "info", "warn", "error"),
		oneOf("format", l.Format, "auto", "console", "json"),
	)
}

// Validate implements settings.Validator.
func (a *accessBlock) Validate() error {
	if err := oneOf("format", a.Format, "json", "combined"); err != nil {
		return err
	}
	if a.Format == "combined" && a.File == "" && !a.Off {
		return &settings.Error{
			Attr: "format", Summary: "The combined format needs a file",
			Detail: `Lines of that format do not fit into the log. Add file = "access.log", or remove format.`,
		}
	}
	return nil
}

// Validate implements settings.Validator.
func (a *accountsBlock) Validate() error {
	return oneOf("registration", a.Registration.Value, "open", "invite", "closed")
}

// Validate implements settings.Validator.
func (l *limitsBlock) Validate() error {
	err := notNegative("connections", float64(l.Connections))
	if l.Memory > 0 && l.Memory < leastMemory {
		err = errors.Join(err, &settings.Error{
			Attr: "memory", Summary: "The limit of memory is too low",
			Detail: `It is at least "32MiB", because the daemon takes most of that when idle; 0 means no limit.`,
		})
	}
	if l.PictureMemory < leastPictureMemory {
		err = errors.Join(err, &settings.Error{
			Attr: "picture_memory", Summary: "The memory for pictures is too low",
			Detail: `It is at least "64MiB", with which large photographs are refused already.`,
		})
	} else if l.PictureMemory < avifMemory {
		err = errors.Join(err, &settings.Error{
			Attr: "picture_memory", Warning: true, Summary: "No picture is made as AVIF",
			Detail: `Its encoder takes 96 MiB, and 64 bytes for each pixel. Give "128MiB" or more; with less there are JPEG, PNG and WebP.`,
		})
	}
	return err
}

const (
	leastMemory        = 32 << 20
	leastPictureMemory = 64 << 20
	avifMemory         = 128 << 20 // about: for a picture of half a megapixel
	mostPictureMemory  = 768 << 20 // where nobody says more
)

// Validate implements settings.Validator.
func (d *detectBlock) Validate() error {
	err := oneOf("silent", d.Silent, "default", "close")
	if d.Timeout <= 0 || d.Timeout > time.Minute {
		err = errors.Join(err, &settings.Error{
			Attr: "timeout", Summary: "The timeout of detection is out of range",
			Detail: `It lies above 0 and is at most "1m", because a connection that says nothing is held for as long.`,
		})
	}
	return err
}

// Validate implements settings.Validator.
func (l *listenerLimits) Validate() error {
	err := errors.Join(
		notNegative("connections", float64(l.Connections)),
		notNegative("per_ip", float64(l.PerIP)),
		notNegative("rate", l.Rate),
		notNegative("handshakes", l.Handshakes),
		notNegative("requests", l.Requests),
		notNegative("burst", float64(l.Burst)),
	)
	if l.Burst > 0 && l.Requests == 0 {
		err = errors.Join(err, &settings.Error{
			Attr: "burst", Summary: "A burst without a rate",
			Detail: "It says how many requests may come at once where requests limits them. Add requests, or remove burst.",
		})
	}
	if l.Bytes > 0 && l.Bytes < minBytes {
		err = errors.Join(err, &settings.Error{
			Attr: "bytes", Summary: "The limit of bytes is too low",
			Detail: `It is bytes a second, at least "1KiB"; 0 for no limit.`,
		})
	}
	if l.Header < 1<<10 || l.Header > maxHeader {
		err = errors.Join(err, &settings.Error{
			Attr: "header", Summary: "The limit of the header is out of range",
			Detail: `It lies between "1KiB" and "16MiB".`,
		})
	}
	return err
}

// minBytes is the lowest limit of bytes a second: below it nothing useful moves.
const minBytes = 1 << 10

// Validate implements settings.Validator.
func (t *timeoutsBlock) Validate() error {
	var err error
	if t.MinRate > 0 && t.Read == 0 && t.Write == 0 {
		err = &settings.Error{
			Attr: "min_rate", Summary: "A minimum rate without a time",
			Detail: "It is an average over read, for bodies, and over write, for answers. Give one of them a time, or remove min_rate.",
		}
	}
	for _, v := range []struct {
		attr string
		d    time.Duration
	}{{"header", t.Header}, {"idle", t.Idle}} {
		if v.d == 0 {
			err = errors.Join(err, &settings.Error{
				Attr: v.attr, Summary: "This timeout cannot be 0",
				Detail: "A client could hold connections for ever. Write a long one if it has to be.",
			})
		}
	}
	return err
}

// Validate implements settings.Validator. An empty list means the opposite of
// what it looks like: without a condition everybody matches.
func (l *listenerBlock) Validate() error {
	if l.Allow != nil && len(l.Allow) == 0 {
		return emptyList("allow", "Everybody may connect without it, nobody is not possible. Remove the line, or the listener.")
	}
	return nil
}

// Validate implements settings.Validator.
func (r *routeBlock) Validate() (err error) {
	for _, c := range []struct {
		attr string
		list settings.Texts
	}{{"protocol", r.Protocol}, {"host", r.Host}, {"path", r.Path}, {"sni", r.SNI}, {"alpn", r.ALPN}} {
		if c.list != nil && len(c.list) == 0 {
			err = errors.Join(err, emptyList(c.attr, "A condition without values matches nothing. Remove the line to match everything, or the route."))
		}
	}
	if r.From != nil && len(r.From) == 0 {
		err = errors.Join(err, emptyList("from", "A condition without values matches nothing. Remove the line to match everything, or the route."))
	}
	return err
}

func emptyList(attr, detail string) error {
	return &settings.Error{Attr: attr, Summary: fmt.Sprintf("%q is an empty list", attr), Detail: detail}
}
