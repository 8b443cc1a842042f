// Package redirect is the kind that sends every request to another address. It
// does not fetch anything from there; that is kind proxy.
package redirect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct{}

// Config is the body of a service "redirect" block.
type Config struct {
	// To is where requests are sent: an address with http:// or https://, or a
	// path that begins with /. In it {host} stands for the name that the client
	// asked, without a port, {path} for the path, {query} for what follows the
	// question mark, {uri} for path and query. An address without a path, such
	// as "https://example.org", is followed by {uri}.
	To string `hcl:"to"`
	// Status is 301 or 308 for a move for good, 302, 303 or 307 for one that may
	// change. With 307 and 308 a POST stays a POST.
	Status int `hcl:"status,optional"`
}

var statuses = []int{301, 302, 303, 307, 308}

// example stands in for the placeholders where a target is checked.
var example = strings.NewReplacer("{host}", "example.org", "{path}", "/a", "{query}", "b=c", "{uri}", "/a?b=c")

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	if !slices.Contains(statuses, c.Status) {
		errs = append(errs, &settings.Error{
			Attr:    "status",
			Summary: "This status does not redirect",
			Detail:  fmt.Sprintf("%d is not one of 301, 302, 303, 307 and 308.", c.Status),
		})
	}
	if wrong := checkTarget(c.To); wrong != "" {
		errs = append(errs, &settings.Error{
			Attr:    "to",
			Summary: "Requests cannot be sent there",
			Detail:  wrong,
		})
	}
	return errors.Join(errs...)
}

// checkTarget says what is wrong with a target, or nothing.
func checkTarget(to string) string {
	target := example.Replace(to)
	if strings.ContainsAny(target, "{}") {
		return "Only {host}, {path}, {query} and {uri} are known in braces."
	}
	if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		return ""
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return `Give an address such as "https://example.org{uri}", or a path such as "/new{path}".`
	}
	return ""
}

// Kind implements service.Type.
func (Type) Kind() string { return "redirect" }

// Default implements service.Type.
func (Type) Default() Config { return Config{Status: http.StatusPermanentRedirect} }

// Open implements service.Type.
func (Type) Open(_ context.Context, _ service.Env, cfg Config) (*Service, error) {
	to := cfg.To
	if !strings.Contains(to, "{") {
		if u, err := url.Parse(to); err == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == "" {
			to += "{uri}"
		}
	}
	return &Service{to: to, status: cfg.Status}, nil
}

// Service is a running redirect.
type Service struct {
	to     string
	status int
}

// ServeHTTP answers every method with the redirect.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := s.target(r)
	body := "This is now at " + to + "\n"
	h := w.Header()
	h.Set("Location", to)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(s.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body)
	}
}

// target fills in the placeholders. What a client puts into its path must not
// choose the host: it always begins with exactly one slash.
func (s *Service) target(r *http.Request) string {
	path := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	uri := path
	if r.URL.RawQuery != "" {
		uri += "?" + r.URL.RawQuery
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	to := strings.NewReplacer("{host}", host, "{path}", path, "{query}", r.URL.RawQuery, "{uri}", uri).Replace(s.to)
	if strings.HasPrefix(s.to, "/") {
		to = "/" + strings.TrimLeft(to, "/")
	}
	return ascii(to)
}

// ascii escapes what may not stand in a header as it is.
func ascii(s string) string {
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if unsafe(rune(s[i])) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unsafe(r rune) bool {
	return r <= ' ' || r >= 0x7f || r == '\\' || r == '"' || r == '<' || r == '>'
}

// Close implements service.Service.
func (s *Service) Close() error { return nil }
