package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// pipeline is part of every key: a new number makes all versions anew. Change it
// when the same request should give other bytes than before.
const pipeline = "1"

// A version names what is delivered: a picture in the shape of a spec, or, where
// the spec is zero, as it is.
type version struct {
	id   ident
	spec picture.Spec
}

// A key names a version on disk.
type key [16]byte

func (k key) String() string { return hex.EncodeToString(k[:]) }

func keyOf(id ident, what string) key {
	sum := sha256.Sum256(append(id[:], pipeline+what...))
	return key(sum[:16])
}

func (v version) key() key {
	s := v.spec
	return keyOf(v.id, fmt.Sprintf("%dx%d %v %v q%d", s.Width, s.Height, s.Fit, s.Format, s.Quality))
}

// An object is a finished version: bytes in memory, or a file that the caller
// closes.
type object struct {
	data []byte
	file *os.File // set instead of data
	size int64    // bytes
	// What follows are header values, never changed.
	etag, media, length []string
}

func newObject(data []byte, file *os.File, size int64, etag, media string) *object {
	return &object{data: data, file: file, size: size, etag: []string{etag}, media: []string{media}, length: []string{strconv.FormatInt(size, 10)}}
}

// weight is what o takes in memory, in bytes.
func (o *object) weight() uint32 { return uint32(len(o.data)) + 512 }

func (s sum) etag() string { return `"` + s.String() + `"` }

// mediaOf is the MIME type by the extension under which a version is stored.
func mediaOf(ext string) string {
	switch ext {
	case ".jpg":
		return "image/jpeg"
	default:
		return "image/" + ext[1:]
	}
}

// A call is the making of one version, which any number of requests wait for.
type call struct {
	done chan struct{} // closed when obj and err are set
	obj  *object
	err  error
}

// version returns a version of src from memory, from disk, or newly made.
func (s *Service) version(ctx context.Context, src *source, spec picture.Spec) (*object, error) {
	v := version{src.id, spec}
	if o, ok := s.hot.GetIfPresent(v); ok {
		s.m.memoryHits.Inc()
		return o, nil
	}
	if f, e, ok := s.disk.get(ctx, v.key()); ok {
		s.m.diskHits.Inc()
		return s.warm(v, f, e)
	}
	c := s.join(v, src.name)
	select {
	case <-c.done:
		return c.obj, c.err
	case <-ctx.Done():
		return nil, ctx.Err() // the work goes on for whoever asks next
	}
}

// warm takes a small file into memory and returns a large one as it is.
func (s *Service) warm(v version, f *os.File, e entry) (*object, error) {
	if e.size > maxHot || s.cfg.Load().MemoryCache == 0 {
		return newObject(nil, f, e.size, e.sum.etag(), mediaOf(e.ext)), nil
	}
	defer f.Close()
	data := make([]byte, e.size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read cached picture: %w", err)
	}
	o := newObject(data, nil, e.size, e.sum.etag(), mediaOf(e.ext))
	s.hot.Set(v, o)
	return o, nil
}

// join waits for nothing: it finds the call that makes version v, or begins it.
func (s *Service) join(v version, name string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.calls[v]; ok {
		return c
	}
	c := &call{done: make(chan struct{})}
	s.calls[v] = c
	s.work.Go(func() {
		c.obj, c.err = s.make(v, name)
		s.mu.Lock()
		delete(s.calls, v)
		s.mu.Unlock()
		close(c.done)
	})
	return c
}

// make makes a version that somebody waits for, and keeps it.
func (s *Service) make(v version, name string) (*object, error) {
	made, err := s.produce(v, name, picture.Interactive)
	if err != nil {
		return nil, err
	}
	return s.keep(v, made), nil
}

// keep puts what was made into the caches.
func (s *Service) keep(v version, made picture.Variant) *object {
	o := newObject(made.Data, nil, int64(len(made.Data)), sumOf(made.Data).etag(), made.Format.MediaType())
	s.store(v.key(), made.Format.Ext(), made.Data)
	if len(o.data) <= maxHot && s.cfg.Load().MemoryCache > 0 {
		s.hot.Set(v, o)
	}
	return o
}

// produce makes a version. It opens the picture itself, because the request that
// began it may be gone before it ends.
func (s *Service) produce(v version, name string, rank picture.Priority) (picture.Variant, error) {
	cfg := s.cfg.Load()
	src := &source{name: name, id: v.id}
	if err := s.need(cfg, src); err != nil {
		return picture.Variant{}, err
	}
	defer src.close()
	f, err := s.facts(cfg, src)
	if err == nil {
		err = f.err
	}
	if err != nil {
		return picture.Variant{}, err
	}
	begin := time.Now()
	res, err := s.pool.Make(s.ctx, src.reader(), picture.Job{
		Specs:    []picture.Spec{v.spec},
		Blurhash: f.blurhash == "",
		Limits:   picture.Limits{Pixels: cfg.MaxPixels},
		Priority: rank,
		Key:      string(v.id[:]), // several sizes at a time, as of a srcset, are one decode
	})
	if err != nil {
		s.m.failures.Inc()
		if faulty(err) {
			s.known.Set(v.id, &facts{info: f.info, blurhash: f.blurhash, blur: f.blur, err: err})
		}
		return picture.Variant{}, err
	}
	s.m.made.Observe(time.Since(begin).Seconds())
	if res.Blurhash != "" {
		s.learn(v.id, f.info, res.Blurhash)
	}
	return res.Variants[0], nil
}

// store keeps data on disk if it can. The picture is delivered all the same.
func (s *Service) store(k key, ext string, data []byte) {
	if err := s.disk.put(s.ctx, k, ext, data); err != nil && s.ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("picture not kept in the cache")
	}
}
