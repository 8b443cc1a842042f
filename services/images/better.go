package images

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/picture"
)

// WebP takes several times as long as JPEG, so nobody waits for it: who asks
// first gets JPEG or PNG, and has WebP made for those who come after.

// maxBacklog is how many versions may wait to be made; who asks for more of them
// asks again.
const maxBacklog = 256

// A wanted version is one that is made when there is time.
type wanted struct {
	version
	name  string
	worst int64 // bytes: one that is not smaller is of no use
}

// better returns the spec that the client would rather have than spec.
func (w wish) better(r *http.Request, spec picture.Spec, cfg *Config) (picture.Spec, bool) {
	if !cfg.WebP || cfg.CacheSize == 0 && cfg.MemoryCache == 0 || w.format != picture.WebP && !(w.auto && accepts(r, "image/webp")) {
		return spec, false
	}
	spec.Format = picture.WebP
	return spec, true
}

// keeps reports whether the picture's own format is what the client wants.
func (w wish) keeps(r *http.Request, info picture.Info) bool {
	if info.Format == picture.WebP {
		return !w.auto || info.Frames > 1 || accepts(r, "image/webp")
	}
	return w.format != picture.WebP
}

// accepts reports whether the client says that it can show a type.
func accepts(r *http.Request, media string) bool {
	return strings.Contains(strings.Join(r.Header.Values("Accept"), ","), media)
}

// ready returns a version that was made already, nil where there is none, and
// useless where it is known that there is none that is better.
func (s *Service) ready(ctx context.Context, v version) *object {
	o, ok := s.hot.GetIfPresent(v)
	if ok {
		s.m.memoryHits.Inc()
		return o
	}
	f, e, ok := s.disk.get(ctx, v.key())
	if !ok {
		return nil
	}
	if e.size == 0 {
		_ = f.Close() // it was only opened
		s.hot.Set(v, useless)
		return useless
	}
	o, err := s.warm(v, f, e)
	if err != nil {
		return nil
	}
	s.m.diskHits.Inc()
	return o
}

// useless stands for a version that is larger than the one that there is
// anyway, or cannot be made. On disk it is an empty file.
var useless = &object{}

// later has a version made when there is time, at most once at a time. size is
// that of the one that there is, in bytes.
func (s *Service) later(v version, name string, size int64) {
	w := wanted{v, name, size}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backlog[w.version] {
		return
	}
	select {
	case s.wanted <- w:
		s.backlog[w.version] = true
	default: // asked for again
	}
}

// makeWanted makes what is wanted, one after the other, until the service ends.
func (s *Service) makeWanted() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case w := <-s.wanted:
			s.makeBetter(w)
			s.mu.Lock()
			delete(s.backlog, w.version)
			s.mu.Unlock()
		}
	}
}

// makeBetter makes a version, and notes where it is no better than the one that
// there is, or cannot be made.
func (s *Service) makeBetter(w wanted) {
	if s.there(w.version) {
		return
	}
	made, err := s.produce(w.version, w.name, picture.Background)
	switch {
	case err == nil && int64(len(made.Data)) < w.worst:
		s.keep(w.version, made)
		if !s.there(w.version) { // no room: not again for each who asks
			s.hot.Set(w.version, useless)
		}
	case err == nil, faulty(err), errors.Is(err, picture.ErrTooLarge), errors.Is(err, picture.ErrSlow):
		s.store(w.version.key(), w.spec.Format.Ext(), nil)
		s.hot.Set(w.version, useless)
	case s.ctx.Err() == nil && failureOf(err).status == http.StatusInternalServerError && !errors.Is(err, errChanged):
		s.log.Warn().Err(err).Msg("WebP not made")
	}
}

// there reports whether a version was made, or is known to be of no use.
func (s *Service) there(v version) bool {
	o := s.ready(s.ctx, v)
	if o != nil && o.file != nil {
		_ = o.file.Close() // it was only opened
	}
	return o != nil
}
