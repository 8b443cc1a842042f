package images

import (
	"context"
	"errors"
	"net/http"

	"github.com/porticod/portico/pkg/picture"
)

// WebP and AVIF take several times as long as JPEG, so nobody waits for them: who
// asks first gets JPEG or PNG, and has the better one made for those who come after.

// maxBacklog is how many versions may wait to be made; who asks for more of them
// asks again.
const maxBacklog = 256

// A wanted version is one that is made when there is time.
type wanted struct {
	version
	name  string
	worst int64 // bytes: one that is not smaller is of no use
}

// modern are the formats that the client would rather have than JPEG and PNG, the
// best first.
func (s *Service) modern(w wish, r *http.Request, cfg *Config) (out []picture.Format) {
	if cfg.CacheSize == 0 && cfg.MemoryCache == 0 {
		return nil // nowhere to keep them
	}
	takes := func(f picture.Format) bool {
		return w.format == f || w.auto && picture.Accepts(r.Header["Accept"], f.MediaType())
	}
	if cfg.AVIF && !s.noAVIF.Load() && takes(picture.AVIF) {
		out = append(out, picture.AVIF)
	}
	if cfg.WebP && takes(picture.WebP) {
		out = append(out, picture.WebP)
	}
	return out
}

// best returns the best version of spec in formats that was made already, nil
// where there is none, and the one that is to be made, if there is a better one
// that nobody tried to make.
func (s *Service) best(ctx context.Context, id ident, spec picture.Spec, formats []picture.Format) (o *object, wanted *version) {
	for _, f := range formats {
		spec.Format = f
		v := version{id, spec}
		o := s.ready(ctx, v)
		if o == nil && wanted == nil {
			wanted = &v
		}
		if o != nil && o != useless {
			return o, wanted
		}
	}
	return nil, wanted
}

// keeps reports whether the picture's own format is what the client wants.
func (w wish) keeps(r *http.Request, info picture.Info) bool {
	switch {
	case info.Format == picture.WebP && info.Frames > 1:
		return true // it cannot be decoded
	case w.format == picture.WebP || w.format == picture.AVIF:
		return info.Format == w.format
	case w.auto && info.Format == picture.WebP:
		return picture.Accepts(r.Header["Accept"], picture.WebP.MediaType())
	}
	return true
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

// later has a version made when there is time, at most once at a time; nil is
// none. size is that of the one that there is, in bytes.
func (s *Service) later(v *version, name string, size int64) {
	if v == nil {
		return
	}
	w := wanted{*v, name, size}
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
	case errors.Is(err, picture.ErrEncoder):
		if !s.noAVIF.Swap(true) {
			s.log.Warn().Err(err).Msg("AVIF cannot be made here")
		}
	case s.ctx.Err() == nil && failureOf(err).status == http.StatusInternalServerError && !errors.Is(err, errChanged):
		s.log.Warn().Err(err).Stringer("format", w.spec.Format).Msg("a better version is not made")
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
