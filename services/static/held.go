package static

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/filemark"
)

const (
	// holdTime is how long a file is recognized by its mark, without the way
	// through the folders. A file that is moved out of the root and linked to keeps its
	// mark.
	holdTime = time.Second
	maxHeld  = 4096    // files
	maxData  = 8 << 20 // bytes of files in memory, together
	maxOpen  = 64      // long files, which are kept open
	maxKey   = 1024    // bytes of the path, and of what is accepted
	// worth is how often a long file must have been asked for while it is held before it
	// is read into memory, if it has maxLoaded bytes at most: from there it is sent with
	// one system call, which takes less time than sendfile.
	worth     = 16
	maxLoaded = 248 << 10
)

// A heldKey is what an answer depends on.
type heldKey struct {
	path   string // of the URL
	accept string // the field Accept-Encoding, where compressed files are looked for
}

// keyOf is the key of a request; not ok: its answer is not held.
func (s *Service) keyOf(r *http.Request) (k heldKey, ok bool) {
	k.path = r.URL.Path
	if s.cfg.Precompressed {
		switch fields := r.Header["Accept-Encoding"]; len(fields) {
		case 0:
		case 1:
			k.accept = fields[0]
		default:
			return k, false
		}
	}
	return k, len(k.path)+len(k.accept) <= maxKey
}

// A held is a file that was asked for lately, ready to be sent while its mark is the
// same. What it says is never changed.
type held struct {
	sight    *filemark.Sight
	original *filemark.Sight // of which it is the compressed form; nil: of none
	encoding []string
	until    time.Time
	modified time.Time
	size     int64
	data     []byte   // all of it; nil: file is there
	file     *os.File // a long one; many read it at the same time
	asked    atomic.Int32

	etag, media, length, lastModified []string // header values

	users int // guarded by holder.mu; the holder is one. Who is the last closes file
}

// A holder has what was asked for within the last second. What does not find room is
// opened for each request.
type holder struct {
	mu     sync.Mutex // guards the rest
	files  map[heldKey]*held
	data   int
	open   int
	sweep  *time.Timer // nil: nothing is held
	closed bool
}

// get returns the file that a request led to lately, if it is still the same: one system
// call in place of ten, or none. The caller gives it back with done.
func (t *holder) get(k heldKey) *held {
	now := time.Now()
	t.mu.Lock()
	h := t.files[k]
	if h == nil || !now.Before(h.until) {
		t.mu.Unlock()
		return nil
	}
	h.users++
	t.mu.Unlock()
	if h.sight.Same(now) && (h.original == nil || h.original.Same(now)) {
		return t.loaded(k, h)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files[k] == h {
		t.drop(k, h)
	}
	t.leave(h)
	return nil
}

// loaded is h or, if it has been asked for often enough, the same in memory.
func (t *holder) loaded(k heldKey, h *held) *held {
	if h.file == nil || h.size > maxLoaded || h.asked.Add(1) != worth || !t.spare(h.size) {
		return h
	}
	data := readWhole(h.file, h.size, h.sight.Mark())
	if data == nil {
		return h
	}
	in := &held{
		sight: h.sight, original: h.original, encoding: h.encoding, until: h.until, modified: h.modified, size: h.size, data: data,
		users: 1, etag: h.etag, media: h.media, length: h.length, lastModified: h.lastModified,
	}
	if !t.put(k, in) {
		return h
	}
	t.done(h)
	return in
}

// spare reports whether size bytes of a long file leave enough room to short ones.
func (t *holder) spare(size int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(t.data)+size <= maxData/2
}

// done gives back what get or put returned.
func (t *holder) done(h *held) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave(h)
}

// put takes h, whose users is 1 for who calls; false: there is no room.
func (t *holder) put(k heldKey, h *held) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.files) >= maxHeld || t.data+len(h.data) > maxData || h.file != nil && t.open >= maxOpen {
		return false
	}
	if old := t.files[k]; old != nil {
		t.drop(k, old)
	}
	if t.files == nil {
		t.files = map[heldKey]*held{}
	}
	h.users++
	k.path, k.accept = strings.Clone(k.path), strings.Clone(k.accept) // they are parts of a whole head
	t.files[k] = h
	t.data += len(h.data)
	if h.file != nil {
		t.open++
	}
	if t.sweep == nil {
		t.sweep = time.AfterFunc(holdTime, t.expire)
	}
	return true
}

// drop must be called with mu held.
func (t *holder) drop(k heldKey, h *held) {
	delete(t.files, k)
	t.data -= len(h.data)
	if h.file != nil {
		t.open--
	}
	t.leave(h)
}

// leave must be called with mu held.
func (t *holder) leave(h *held) {
	if h.users--; h.users == 0 && h.file != nil {
		_ = h.file.Close() // it was only read
	}
}

// expire drops what is too old.
func (t *holder) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for k, h := range t.files {
		if !now.Before(h.until) {
			t.drop(k, h)
		}
	}
	if t.sweep = nil; len(t.files) > 0 {
		t.sweep = time.AfterFunc(holdTime, t.expire)
	}
}

// close drops everything and takes no more.
func (t *holder) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for k, h := range t.files {
		t.drop(k, h)
	}
	if t.sweep != nil {
		t.sweep.Stop()
	}
}

// A found is a file as it was opened.
type found struct {
	*os.File
	fi       fs.FileInfo
	name     string // below the root
	encoding string // "": it is no compressed form of another
}

// sight is how f looks; nil where its next change might not show.
func (q *request) sight(f found, now time.Time) *filemark.Sight {
	m, ok := filemark.Of(f.fi)
	if !ok || !m.Settled(now) {
		return nil
	}
	return filemark.NewSight(filepath.Join(string(q.cfg.Root), f.name), m)
}

// hold keeps a file for the requests of the next second and returns it, or nil where
// that cannot be: it was changed just now, or there is no room. What f has open is the
// holder's then. original is f, or what it is the compressed form of.
func (q *request) hold(f, original found, ctype string) *held {
	k, ok := q.keyOf(q.r)
	if !ok {
		return nil
	}
	now := time.Now()
	looks := q.sight(f, now)
	if looks == nil {
		return nil
	}
	h := &held{
		sight: looks, until: now.Add(holdTime), modified: f.fi.ModTime(), size: f.fi.Size(), file: f.File, users: 1,
		etag: []string{etag(f.fi, f.encoding)}, media: []string{ctype}, length: []string{strconv.FormatInt(f.fi.Size(), 10)},
	}
	if f.encoding != "" {
		if h.original = q.sight(original, now); h.original == nil {
			return nil
		}
		h.encoding = []string{f.encoding}
	}
	if h.modified.Unix() > 0 {
		h.lastModified = []string{h.modified.UTC().Format(http.TimeFormat)}
	}
	if h.size <= maxShort {
		if h.data, h.file = readWhole(f.File, h.size, looks.Mark()), nil; h.data == nil {
			return nil
		}
	}
	if !q.files.put(k, h) {
		return nil
	}
	if h.file != nil {
		q.kept = h.file
	}
	return h
}

// readWhole reads a file that nobody changes meanwhile; nil: somebody does, or it
// fails.
func readWhole(f *os.File, size int64, m filemark.Mark) []byte {
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil
	}
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	if again, ok := filemark.Of(fi); !ok || again != m {
		return nil
	}
	return data
}

// Header values that are the same for many answers; nobody changes them.
var (
	nosniff  = []string{"nosniff"}
	inBytes  = []string{"bytes"}
	byCoding = []string{"Accept-Encoding"}
)

// varies says that the answer depends on what coding is accepted.
func varies(h http.Header) {
	if h["Vary"] == nil {
		h["Vary"] = byCoding
		return
	}
	h.Add("Vary", byCoding[0])
}

// send answers with a file that is held.
func (h *held) send(s *Service, w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Etag"], header["Content-Type"] = h.etag, h.media
	if s.cacheControl != nil {
		header["Cache-Control"] = s.cacheControl
	}
	if s.cfg.Precompressed {
		varies(header)
	}
	if h.encoding != nil {
		header["Content-Encoding"] = h.encoding
	}
	if !whole(r) {
		if h.encoding != nil {
			w = sized{w, h.size}
		}
		http.ServeContent(w, r, "", h.modified, h.content())
		return
	}
	header["Content-Length"], header["Accept-Ranges"] = h.length, inBytes
	if h.lastModified != nil {
		header["Last-Modified"] = h.lastModified
	}
	if h.file == nil {
		_, _ = w.Write(h.data) // the client is gone if this fails
		return
	}
	_, _ = io.Copy(w, h.content()) // the same
}

// content is for one who reads it.
func (h *held) content() io.ReadSeeker {
	if h.file == nil {
		return bytes.NewReader(h.data)
	}
	return io.NewSectionReader(h.file, 0, h.size)
}
