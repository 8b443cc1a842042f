package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Validate implements settings.Validator.
func (b *basicAuthBlock) Validate() (err error) {
	if len(b.Users) == 0 {
		err = &settings.Error{Attr: "users", Summary: "Nobody may pass", Detail: `Name somebody, like users = { ann = secret("ann-password") }.`}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Users)) {
		p := b.Users[name].Reveal()
		problem := ""
		switch {
		case name == "" || strings.ContainsAny(name, ":\x00\r\n"):
			problem = fmt.Sprintf("%q cannot be a name: it is empty, or has a colon or a line break in it.", name)
		case p == "":
			problem = fmt.Sprintf("The password of %q is empty.", name)
		case strings.HasPrefix(p, "$2"):
			if cost, bad := bcrypt.Cost([]byte(p)); bad != nil || cost > 14 {
				problem = fmt.Sprintf("The hash of %q is none of bcrypt's, or costs more than 14: each login would take seconds. Make one with: htpasswd -nB %s", name, name)
			}
		case strings.HasPrefix(p, "$") || strings.HasPrefix(p, "{SHA}"):
			problem = fmt.Sprintf("The hash of %q is not bcrypt's. Make one with: htpasswd -nB %s", name, name)
		}
		if problem != "" {
			err = errors.Join(err, &settings.Error{Attr: "users", Summary: "Invalid user", Detail: problem})
		}
	}
	return err
}

// Validate implements settings.Validator.
func (f *forwardAuthBlock) Validate() (err error) {
	if f.Timeout <= 0 || f.Timeout > time.Minute {
		err = &settings.Error{Attr: "timeout", Summary: "The timeout is out of range", Detail: `It lies above 0 and is at most "1m": every request waits for the other server.`}
	}
	return errors.Join(err, headerNames("copy", f.Copy))
}

// Validate implements settings.Validator.
func (c *corsBlock) Validate() (err error) {
	for _, m := range c.Methods {
		if !httpguts.ValidHeaderFieldName(m) || m != strings.ToUpper(m) {
			err = errors.Join(err, &settings.Error{Attr: "methods", Summary: fmt.Sprintf("%q is not a method", m), Detail: "Methods are written in capitals, like GET."})
		}
	}
	if c.MaxAge < 0 || c.MaxAge > 24*time.Hour {
		err = errors.Join(err, &settings.Error{Attr: "max_age", Summary: "The age is out of range", Detail: "Browsers remember for a day at most."})
	}
	return errors.Join(err, headerNames("headers", c.Headers), headerNames("expose", c.Expose))
}

func headerNames(attr string, names []string) (err error) {
	for _, n := range names {
		if !httpguts.ValidHeaderFieldName(n) {
			err = errors.Join(err, &settings.Error{Attr: attr, Summary: fmt.Sprintf("%q is not a header", n), Detail: "A header's name has letters, digits and dashes."})
		}
	}
	return err
}

// guard checks what a route asks of requests.
func (l *loader) guard(raw *routeBlock, kind service.Kind) Guard {
	g := Guard{Headers: raw.Headers, Security: raw.SecurityHeaders}
	for _, name := range slices.Sorted(maps.Keys(raw.Headers)) {
		value := raw.Headers[name]
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			l.errorf(raw.Range, fmt.Sprintf("Invalid header %q", name), "A header's name has letters, digits and dashes, its value no line breaks.")
		}
	}
	if b := raw.BasicAuth; b != nil {
		g.Realm, g.Users = b.Realm, b.Users
	}
	if f := raw.ForwardAuth; f != nil {
		g.Forward = &ForwardAuth{URL: f.URL.Value, Copy: f.Copy, Timeout: f.Timeout}
		if u, err := url.Parse(f.URL.Value); f.URL.At.Filename != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			l.errorf(f.URL.At, "Invalid url", "Write the address to ask, like \"http://127.0.0.1:9091/verify\".")
		}
	}
	if c := raw.CORS; c != nil {
		g.CORS = l.cors(c)
	}
	asks := g.Users != nil || g.Forward != nil || g.CORS != nil || len(g.Headers) > 0 || g.Security
	if asks && !kind.Ability().Has(service.HTTP) {
		l.errorf(raw.Range, "This route has no requests",
			"basic_auth, forward_auth, cors and headers are for HTTP, and the kind %q takes connections only. Remove them.", kind.Name())
	}
	return g
}

func (l *loader) cors(c *corsBlock) *CORS {
	out := &CORS{Methods: c.Methods, Headers: c.Headers, Expose: c.Expose, Credentials: c.Credentials, MaxAge: c.MaxAge}
	for _, o := range c.Origins {
		if o.At.Filename == "" {
			continue
		}
		u, err := url.Parse(o.Value)
		if o.Value != "*" && (err != nil || u.Scheme == "" || u.Host == "" || o.Value != u.Scheme+"://"+u.Host) {
			l.errorf(o.At, fmt.Sprintf("Invalid origin %q", o.Value), "An origin is a scheme and a host, like \"https://app.example.org\", without a path; \"*\" stands for all.")
			continue
		}
		out.Origins = append(out.Origins, o.Value)
	}
	if out.Credentials && slices.Contains(out.Origins, "*") {
		l.errorf(c.Range, "Credentials for everybody", "With them every page that somebody opens could act in their name. Name the origins, or leave credentials out.")
	}
	return out
}
