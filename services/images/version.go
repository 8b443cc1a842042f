package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// pipeline is part of every key: a new number makes all versions anew. Change it
// when the same request should give other bytes than before.
const pipeline = "1"

// A key names a version of a picture, in memory and on disk.
type key [16]byte

func (k key) String() string { return hex.EncodeToString(k[:]) }

func keyOf(id ident, what string) key {
	sum := sha256.Sum256(append(id[:], pipeline+what...))
	return key(sum[:16])
}

func specKey(id ident, s picture.Spec) key {
	return keyOf(id, fmt.Sprintf("%dx%d %v %v q%d", s.Width, s.Height, s.Fit, s.Format, s.Quality))
}

// An object is a finished version: bytes in memory, or a file that the caller
// closes.
type object struct {
	data []byte
	file *os.File // set instead of data
	sum  sum
	ext  string
}

func (o *object) etag() string { return `"` + o.sum.String() + `"` }

// media is the MIME type by the extension under which o is stored.
func (o *object) media() string {
	if o.ext == ".png" {
		return "image/png"
	}
	return "image/jpeg"
}

// A call is the making of one version, which any number of requests wait for.
type call struct {
	done chan struct{} // closed when obj and err are set
	obj  *object
	err  error
}

// version returns a version of src from memory, from disk, or newly made.
func (s *Service) version(ctx context.Context, src *source, spec picture.Spec) (*object, error) {
	k := specKey(src.id, spec)
	if o, ok := s.hot.GetIfPresent(k); ok {
		s.m.memoryHits.Inc()
		return o, nil
	}
	if f, e, ok := s.disk.get(ctx, k); ok {
		s.m.diskHits.Inc()
		return s.warm(k, f, e)
	}
	c := s.join(k, src, spec)
	select {
	case <-c.done:
		return c.obj, c.err
	case <-ctx.Done():
		return nil, ctx.Err() // the work goes on for whoever asks next
	}
}

// warm takes a small file into memory and returns a large one as it is.
func (s *Service) warm(k key, f *os.File, e entry) (*object, error) {
	o := &object{file: f, sum: e.sum, ext: e.ext}
	if e.size > maxHot || s.cfg.Load().MemoryCache == 0 {
		return o, nil
	}
	defer f.Close()
	data := make([]byte, e.size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read cached picture: %w", err)
	}
	o.data, o.file = data, nil
	s.hot.Set(k, o)
	return o, nil
}

// join waits for nothing: it finds the call that makes version k, or begins it.
func (s *Service) join(k key, src *source, spec picture.Spec) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.calls[k]; ok {
		return c
	}
	c := &call{done: make(chan struct{})}
	s.calls[k] = c
	name, id := src.name, src.id
	s.work.Go(func() {
		c.obj, c.err = s.make(k, name, id, spec)
		s.mu.Lock()
		delete(s.calls, k)
		s.mu.Unlock()
		close(c.done)
	})
	return c
}

// errChanged: the file is another one than when the request looked at it.
var errChanged = errors.New("the picture was replaced meanwhile")

// make makes a version. It opens the picture itself, because the request that
// began it may be gone before it ends.
func (s *Service) make(k key, name string, id ident, spec picture.Spec) (*object, error) {
	cfg := s.cfg.Load()
	root, err := os.OpenRoot(string(cfg.Root))
	if err != nil {
		return nil, fmt.Errorf("open the root: %w", err)
	}
	defer root.Close()
	src, err := open(root, name)
	if err != nil {
		return nil, err
	}
	defer src.file.Close()
	if src.id != id {
		return nil, errChanged
	}
	f, err := s.facts(src)
	if err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	begin := time.Now()
	res, err := s.pool.Make(s.ctx, src, picture.Job{
		Specs:    []picture.Spec{spec},
		Blurhash: f.blurhash == "",
		Limits:   picture.Limits{Pixels: cfg.MaxPixels},
	})
	if err != nil {
		s.m.failures.Inc()
		if faulty(err) {
			s.known.Set(id, &facts{info: f.info, blurhash: f.blurhash, err: err})
		}
		return nil, err
	}
	s.m.made.Observe(time.Since(begin).Seconds())
	if res.Blurhash != "" {
		s.learn(id, f.info, res.Blurhash)
	}
	v := res.Variants[0]
	o := &object{data: v.Data, sum: sumOf(v.Data), ext: v.Format.Ext()}
	s.store(k, o.ext, o.data)
	if len(o.data) <= maxHot && cfg.MemoryCache > 0 {
		s.hot.Set(k, o)
	}
	return o, nil
}

// store keeps data on disk if it can. The picture is delivered all the same.
func (s *Service) store(k key, ext string, data []byte) {
	if err := s.disk.put(s.ctx, k, ext, data); err != nil && s.ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("picture not kept in the cache")
	}
}
