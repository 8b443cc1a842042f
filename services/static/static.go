// Package static is the kind that serves a folder of files over HTTP: a site, a
// single-page application, downloads. It never writes, keeps nothing for more than a
// second, and makes no pictures smaller; that is kind images.
package static

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct{}

// Config is the body of a service "static" block.
type Config struct {
	// Root is the folder. Nothing outside of it is ever served, whatever links
	// point there. It may be a link that a deployment moves.
	Root settings.Path `hcl:"root"`
	// Index are the names of the file that stands for its folder; the first that
	// exists is taken.
	Index settings.Strings `hcl:"index,optional"`
	// SPA answers unknown paths whose last part has no extension with the index
	// of the root, for applications that route in the browser.
	SPA bool `hcl:"spa,optional"`
	// Browse lists folders without an index, as a page or, for clients that
	// accept application/json, as JSON.
	Browse bool `hcl:"browse,optional"`
	// Precompressed sends app.js.br, app.js.zst or app.js.gz in place of app.js
	// to clients that accept it, where such a file lies beside it and is not
	// older.
	Precompressed bool `hcl:"precompressed,optional"`
	// CacheControl is the header of that name. With no-cache clients ask each
	// time whether their copy is still good, which costs no transfer.
	CacheControl string `hcl:"cache_control,optional"`
}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	if fi, err := os.Stat(string(c.Root)); err != nil {
		errs = append(errs, &settings.Error{
			Attr:    "root",
			Summary: "The folder cannot be read",
			Detail:  fmt.Sprintf("%v. Make the folder, or name another one.", err),
		})
	} else if !fi.IsDir() {
		errs = append(errs, &settings.Error{
			Attr:    "root",
			Summary: "This is not a folder",
			Detail:  fmt.Sprintf("%s is a file. Name the folder that it lies in.", c.Root),
		})
	}
	for _, name := range c.Index {
		if !servable(name) {
			errs = append(errs, &settings.Error{
				Attr:    "index",
				Summary: "This cannot be an index",
				Detail:  fmt.Sprintf("%q must be the plain name of a file, without a folder and not hidden, such as \"index.html\".", name),
			})
		}
	}
	if strings.ContainsFunc(c.CacheControl, func(r rune) bool { return r < ' ' || r > '~' }) {
		errs = append(errs, &settings.Error{
			Attr:    "cache_control",
			Summary: "This cannot be a header",
			Detail:  `Only printable ASCII characters can be sent, as in "public, max-age=3600".`,
		})
	}
	return errors.Join(errs...)
}

// Kind implements service.Type.
func (Type) Kind() string { return "static" }

// Default implements service.Type.
func (Type) Default() Config {
	return Config{Index: settings.Strings{"index.html"}, CacheControl: "no-cache"}
}

// Open implements service.Type.
func (Type) Open(_ context.Context, env service.Env, cfg Config) (*Service, error) {
	// A folder that went away is one event, not one for each request.
	log := env.Log.Sample(&zerolog.BurstSampler{Burst: 3, Period: time.Minute})
	s := &Service{cfg: cfg, log: log}
	if cfg.CacheControl != "" {
		s.cacheControl = []string{cfg.CacheControl}
	}
	return s, nil
}

// Service is a running folder. The folder itself is not held: it is opened for each
// request whose file is not, so that one that is replaced as a whole is followed.
type Service struct {
	cfg          Config
	cacheControl []string // the header's value; nil: there is none
	log          zerolog.Logger
	files        holder
}

// Check implements service.Checker.
func (s *Service) Check(context.Context) error {
	root, err := os.OpenRoot(string(s.cfg.Root))
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	return root.Close()
}

// Close implements service.Service.
func (s *Service) Close() error {
	s.files.close()
	return nil
}
