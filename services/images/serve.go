package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"time"

	"github.com/porticod/portico/pkg/filemark"
	"github.com/porticod/portico/pkg/picture"
)

// ServeHTTP answers GET and HEAD.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Content-Type-Options"] = nosniff
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.fail(w, r, &failure{status: http.StatusMethodNotAllowed, code: "method", text: "only GET and HEAD are possible here"})
		return
	}
	if r.URL.Path == "/healthz" {
		s.health(w, r)
		return
	}
	err := s.serve(w, r)
	if errors.Is(err, errChanged) {
		err = s.serve(w, r) // nothing was written yet
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

func (s *Service) health(w http.ResponseWriter, r *http.Request) {
	answer := map[string]string{"status": "ok"}
	status := http.StatusOK
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.Check(ctx); err != nil {
		status = http.StatusServiceUnavailable
		answer["status"], answer["reason"] = "unavailable", "the folder of pictures cannot be read"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone if this fails
}

// serve answers a request, or returns an error before it has answered.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) error {
	cfg := s.cfg.Load()
	name, folder, ok := split(r.URL.Path)
	if !ok {
		return errNotFound
	}
	if !folder {
		if src := s.glance(cfg, name); src != nil {
			defer src.close()
			return s.picture(w, r, cfg, src)
		}
	}
	// Opened for each request: a folder that is replaced as a whole, or a link
	// that is moved, shows at once.
	root, err := os.OpenRoot(string(cfg.Root))
	if err != nil {
		return &failure{http.StatusServiceUnavailable, "unavailable", "the pictures are not there at the moment", err, 10 * time.Second}
	}
	defer root.Close()
	if !folder {
		src, err := s.look(cfg, root, name)
		if err == nil {
			defer src.close()
			return s.picture(w, r, cfg, src)
		}
		if fi, serr := root.Stat(name); serr != nil || !fi.IsDir() || !cfg.Index {
			return err
		}
		// Relative, so that it is right behind a proxy that cuts a prefix off.
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Location", (&url.URL{Path: "./" + path.Base(name) + "/", RawQuery: r.URL.RawQuery}).String())
		w.WriteHeader(http.StatusMovedPermanently)
		return nil
	}
	if !cfg.Index {
		return errNotFound
	}
	return s.folder(w, r, cfg, root, name)
}

// Header values that are the same for many answers; nobody changes them.
var (
	noCache   = []string{"no-cache"}
	immutable = []string{"public, max-age=31536000, immutable"}
	byAccept  = []string{"Accept"}
	inBytes   = []string{"bytes"}
	nosniff   = []string{"nosniff"}
)

// picture answers with a picture or a version of it.
func (s *Service) picture(w http.ResponseWriter, r *http.Request, cfg *Config, src *source) error {
	h := w.Header()
	h["Cache-Control"] = noCache
	if r.URL.RawQuery == "" {
		return s.original(w, r, cfg, src)
	}
	query := r.URL.Query()
	wish, err := parseWish(query)
	if err != nil {
		return err
	}
	now := time.Now()
	var until time.Time
	if wish.signed, until, err = checkSignature(cfg, r.URL.Path, query, now); err != nil {
		return err
	}
	switch {
	case wish.version != src.version:
	case until.IsZero():
		h["Cache-Control"] = immutable
	default: // kept no longer than the address is good
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d, immutable", int(min(until.Sub(now), 365*24*time.Hour).Seconds())))
	}
	if wish.auto {
		h["Vary"] = byAccept
	}
	if wish.none() {
		return s.original(w, r, cfg, src)
	}
	f, err := s.facts(cfg, src)
	if err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	spec := wish.spec(f.info, cfg)
	if asItIs(spec, wish, f.info) && wish.keeps(r, f.info) {
		return s.original(w, r, cfg, src)
	}
	return s.made(w, r, cfg, src, wish, f.info, spec)
}

// made answers with a version: with a better one than spec says where the client
// takes that and it is there.
func (s *Service) made(w http.ResponseWriter, r *http.Request, cfg *Config, src *source, wish wish, info picture.Info, spec picture.Spec) error {
	o, wanted := s.best(r.Context(), src.id, spec, s.modern(wish, r, cfg))
	if wanted != nil {
		w.Header()["Cache-Control"] = noCache // another answer follows
	}
	if o == nil {
		// A WebP in its own size is here because the client does not take it, or
		// takes more.
		if asItIs(spec, wish, info) && (info.Format != picture.WebP || wish.format == picture.AVIF) {
			s.later(wanted, src.name, src.size)
			return s.original(w, r, cfg, src)
		}
		var err error
		if o, err = s.version(r.Context(), src, spec); err != nil {
			return err
		}
	}
	s.later(wanted, src.name, o.size)
	if o.file != nil {
		defer o.file.Close()
	}
	deliver(w, r, src, o)
	return nil
}

// original answers with the file as it lies in the folder.
func (s *Service) original(w http.ResponseWriter, r *http.Request, cfg *Config, src *source) error {
	v := version{id: src.id}
	if o, ok := s.hot.GetIfPresent(v); ok {
		s.m.memoryHits.Inc()
		deliver(w, r, src, o)
		return nil
	}
	if err := s.need(cfg, src); err != nil {
		return err
	}
	o := newObject(nil, src.file, src.size, src.etag[0], src.format.MediaType())
	if src.settled && src.size <= maxHot && cfg.MemoryCache > 0 && whole(r) {
		if data, err := readWhole(src); err == nil {
			o.data, o.file = data, nil
			s.hot.Set(v, o)
		}
	}
	deliver(w, r, src, o)
	return nil
}

// readWhole reads a picture that nobody writes meanwhile.
func readWhole(src *source) ([]byte, error) {
	data := make([]byte, src.size)
	if _, err := io.ReadFull(src.reader(), data); err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	fi, err := src.file.Stat()
	if err != nil {
		return nil, err
	}
	if m, ok := filemark.Of(fi); !ok || m != src.mark {
		return nil, errChanged
	}
	return data, nil
}

// conditions are the headers that make http.ServeContent answer with something
// other than all of the content.
var conditions = []string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"}

// whole reports whether all of the content is asked for.
func whole(r *http.Request) bool {
	for _, name := range conditions {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return r.Method == http.MethodGet
}

// deliver answers with o, a version of src. The caller closes what is open.
func deliver(w http.ResponseWriter, r *http.Request, src *source, o *object) {
	// Eight headers, with the front's request id: up to there Go's maps are cheap,
	// and each answer costs two of them.
	h := w.Header()
	h["Etag"], h["Content-Type"] = o.etag, o.media
	if o.file != nil {
		http.ServeContent(w, r, "", src.mod, o.file) // the file itself, so that net/http can use sendfile
		return
	}
	if !whole(r) {
		http.ServeContent(w, r, "", src.mod, bytes.NewReader(o.data))
		return
	}
	h["Content-Length"], h["Accept-Ranges"] = o.length, inBytes
	if src.lastModified != nil {
		h["Last-Modified"] = src.lastModified
	}
	_, _ = w.Write(o.data) // the client is gone if this fails
}

// asItIs reports that the version would be the picture itself, only with less
// quality, or that it cannot be decoded yet but shown by browsers.
func asItIs(spec picture.Spec, w wish, info picture.Info) bool {
	if info.Format == picture.WebP && info.Frames > 1 {
		return true
	}
	ow, oh := spec.Size(info.Width, info.Height)
	return ow == info.Width && oh == info.Height && w.quality == 0 &&
		(spec.Format == picture.Auto || spec.Format == info.Format)
}
