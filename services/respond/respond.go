// Package respond is the kind that gives every request the same answer: a page
// for a site in maintenance, a robots.txt, a 404 for what no route takes.
package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct{}

// Config is the body of a service "respond" block.
type Config struct {
	// Status of the answer, 200 to 599.
	Status int `hcl:"status,optional"`
	// Body of the answer, at most 1 MiB; file("page.html") reads one from a file.
	Body string `hcl:"body,optional"`
	// Headers of the answer. Without a Content-Type the body decides: JSON, HTML
	// or plain text.
	Headers map[string]string `hcl:"headers,optional"`
}

const maxBody = 1 << 20

// ours are headers that the server writes itself.
var ours = []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade"}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	if c.Status < 200 || c.Status > 599 {
		errs = append(errs, &settings.Error{
			Attr:    "status",
			Summary: "This is not the status of an answer",
			Detail:  fmt.Sprintf("%d is not between 200 and 599.", c.Status),
		})
	}
	switch {
	case c.Body != "" && !bodyAllowed(c.Status):
		errs = append(errs, &settings.Error{
			Attr:    "body",
			Summary: "This answer cannot have a body",
			Detail:  fmt.Sprintf("With status %d an answer ends after its headers. Take the body out, or another status.", c.Status),
		})
	case len(c.Body) > maxBody:
		errs = append(errs, &settings.Error{
			Attr:    "body",
			Summary: "The body is too large",
			Detail:  "It is kept in memory and has at most 1 MiB. Serve a file with a service of kind static.",
		})
	}
	seen := map[string]bool{}
	for name, value := range c.Headers {
		if wrong := checkHeader(name, value, seen); wrong != "" {
			errs = append(errs, &settings.Error{Attr: "headers", Summary: "This header cannot be sent", Detail: wrong})
		}
	}
	return errors.Join(errs...)
}

// checkHeader says what is wrong with a header, or nothing.
func checkHeader(name, value string, seen map[string]bool) string {
	key := http.CanonicalHeaderKey(name)
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Sprintf("%q is not a name for a header.", name)
	case !httpguts.ValidHeaderFieldValue(value):
		return fmt.Sprintf("The value of %s has a character, such as a line break, that a header cannot have.", name)
	case slices.Contains(ours, key):
		return fmt.Sprintf("The server writes %s itself. Take it out.", key)
	case seen[key]:
		return fmt.Sprintf("%s is there twice, in different spellings.", key)
	}
	seen[key] = true
	return ""
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// Kind implements service.Type.
func (Type) Kind() string { return "respond" }

// Default implements service.Type.
func (Type) Default() Config { return Config{Status: http.StatusOK} }

// Probe is content with the status that was asked for, even 503.
func (Type) Probe(cfg Config) service.Probe {
	return service.Probe{Kind: service.ProbeHTTP, Path: "/", Status: []int{cfg.Status}}
}

// Open implements service.Type.
func (Type) Open(_ context.Context, _ service.Env, cfg Config) (*Service, error) {
	s := &Service{status: cfg.Status, body: []byte(cfg.Body), header: http.Header{}}
	if bodyAllowed(cfg.Status) {
		s.header.Set("Content-Length", strconv.Itoa(len(cfg.Body)))
		s.header.Set("Content-Type", contentType(cfg.Body))
		s.header.Set("X-Content-Type-Options", "nosniff")
	}
	for name, value := range cfg.Headers {
		s.header.Set(name, value)
	}
	return s, nil
}

// contentType says what a body without a type of its own is.
func contentType(body string) string {
	text := strings.TrimSpace(body)
	switch {
	case (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) && json.Valid([]byte(text)):
		return "application/json"
	case strings.HasPrefix(http.DetectContentType([]byte(text)), "text/html"):
		return "text/html; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

// Service is a running answer. Nothing in it changes, and answers share it.
type Service struct {
	status int
	body   []byte
	header http.Header
}

// ServeHTTP answers every method and path alike.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), s.header)
	w.WriteHeader(s.status)
	if r.Method != http.MethodHead && len(s.body) > 0 {
		_, _ = w.Write(s.body) // the client is gone if this fails
	}
}

// Close implements service.Service.
func (s *Service) Close() error { return nil }
