package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/picture/blur"
)

// facts are what is known about a picture. They do not change: another content
// has another ident.
type facts struct {
	info     picture.Info
	blurhash string // empty: not made yet
	blur     string // blurhash as the address of a tiny picture
	err      error  // why it cannot be made smaller; info may be missing then
}

// facts returns what is known about src, from memory if possible. An err in them is
// the picture's fault; one besides them is not.
func (s *Service) facts(cfg *Config, src *source) (*facts, error) {
	if f, ok := s.known.GetIfPresent(src.id); ok {
		return f, nil
	}
	if err := s.need(cfg, src); err != nil {
		return nil, err
	}
	info, err := picture.Inspect(src.reader())
	if err != nil && !faulty(err) {
		return nil, err
	}
	f := &facts{info: info, err: err}
	if err == nil {
		f.blurhash = s.storedBlurhash(src.id)
		f.blur = blur.DataURL(f.blurhash)
	}
	f, _ = s.known.SetIfAbsent(src.id, f) // whoever was faster may know more
	return f, nil
}

// faulty reports that the picture itself is the reason, so that trying again is
// of no use.
func faulty(err error) bool {
	return errors.Is(err, picture.ErrFormat) || errors.Is(err, picture.ErrBroken)
}

// stored is what the disk cache keeps beside the versions.
type stored struct {
	Blurhash string `json:"blurhash"`
}

func (s *Service) storedBlurhash(id ident) string {
	f, _, ok := s.disk.get(s.ctx, keyOf(id, "facts"))
	if !ok {
		return ""
	}
	defer f.Close()
	var v stored
	if json.NewDecoder(io.LimitReader(f, 4096)).Decode(&v) != nil {
		return ""
	}
	return v.Blurhash
}

// learn remembers the blurhash of a picture, here and on disk.
func (s *Service) learn(id ident, info picture.Info, hash string) {
	s.known.Set(id, &facts{info: info, blurhash: hash, blur: blur.DataURL(hash)})
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(stored{hash}) // into memory, it cannot fail
	s.store(keyOf(id, "facts"), ".json", b.Bytes())
}
