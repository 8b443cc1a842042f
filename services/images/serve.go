package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// ServeHTTP answers GET and HEAD.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
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
	// Opened for each request: a folder that is replaced as a whole, or a link
	// that is moved, shows at once.
	root, err := os.OpenRoot(string(cfg.Root))
	if err != nil {
		return &failure{http.StatusServiceUnavailable, "unavailable", "the pictures are not there at the moment", err, 10 * time.Second}
	}
	defer root.Close()
	if !folder {
		src, err := open(root, name)
		if err == nil {
			defer src.file.Close()
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
	return s.folder(w, r, root, name)
}

// picture answers with a picture or a version of it.
func (s *Service) picture(w http.ResponseWriter, r *http.Request, cfg *Config, src *source) error {
	query := r.URL.Query()
	wish, err := parseWish(query)
	if err != nil {
		return err
	}
	if wish.signed, err = checkSignature(cfg.SignKey.Reveal(), r.URL.Path, query); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if wish.version != "" && wish.version == src.id.version() {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	// A picture that is opened as a document can do nothing but be shown, for
	// which browsers wrap it into a styled page.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	if wish.auto {
		h.Set("Vary", "Accept")
	}
	if wish.none() {
		original(w, r, src)
		return nil
	}
	f, err := s.facts(src)
	if err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	spec := wish.spec(f.info, cfg)
	if asItIs(spec, wish, f.info) && !(wish.auto && src.format == picture.WebP && !accepts(r, "image/webp")) {
		original(w, r, src)
		return nil
	}
	o, err := s.version(r.Context(), src, spec)
	if err != nil {
		return err
	}
	var body io.ReadSeeker = bytes.NewReader(o.data)
	if o.file != nil {
		defer o.file.Close()
		body = o.file // the file itself, so that net/http can use sendfile
	}
	h.Set("ETag", o.etag())
	h.Set("Content-Type", o.media())
	http.ServeContent(w, r, "", src.mod, body)
	return nil
}

// asItIs reports that the version would be the picture itself, only with less
// quality, or that it cannot be decoded yet but shown by browsers.
func asItIs(spec picture.Spec, w wish, info picture.Info) bool {
	if info.Format == picture.WebP && info.Frames > 1 {
		return true
	}
	ow, oh := spec.Size(info.Width, info.Height)
	return ow == info.Width && oh == info.Height && w.quality == 0 &&
		(w.format == picture.Auto || w.format == info.Format)
}

// accepts reports whether the client says that it can show a type.
func accepts(r *http.Request, media string) bool {
	return strings.Contains(strings.Join(r.Header.Values("Accept"), ","), media)
}

// original answers with the file as it lies in the folder.
func original(w http.ResponseWriter, r *http.Request, src *source) {
	h := w.Header()
	h.Set("ETag", `"`+src.id.version()+`"`)
	h.Set("Content-Type", src.format.MediaType())
	http.ServeContent(w, r, "", src.mod, src.file)
}
