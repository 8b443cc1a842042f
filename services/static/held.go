package static

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/filemark"
)

const (
	// holdTime is how long a file is recognized by its mark, without the way
	// through the folders. A file that is moved out of the root and linked to keeps its
	// mark.
	holdTime = time.Second
	maxHeld  = 4096    // files
	maxData  = 8 << 20 // bytes of short files, together
	maxOpen  = 64      // long files, which are kept open
)

// A held is a file that was asked for lately, ready to be sent while its mark is the
// same. It is never changed.
type held struct {
	path     string // of the file, the root included
	mark     filemark.Mark
	until    time.Time
	modified time.Time
	size     int64
	data     []byte   // all of a short file
	file     *os.File // a long one; many read it at the same time

	etag, media, length, lastModified []string // header values

	users int // guarded by holder.mu; the holder is one. Who is the last closes file
}

// A holder has what was asked for within the last second. What does not find room is
// opened for each request.
type holder struct {
	mu     sync.Mutex // guards the rest
	files  map[string]*held
	data   int
	open   int
	sweep  *time.Timer // nil: nothing is held
	closed bool
}

// get returns the file that urlPath led to lately, if it is still the same: one system
// call in place of ten. The caller gives it back with done.
func (t *holder) get(urlPath string) *held {
	t.mu.Lock()
	h := t.files[urlPath]
	if h == nil || !time.Now().Before(h.until) {
		t.mu.Unlock()
		return nil
	}
	h.users++
	t.mu.Unlock()
	if m, ok := filemark.At(h.path); ok && m == h.mark {
		return h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files[urlPath] == h {
		t.drop(urlPath, h)
	}
	t.leave(h)
	return nil
}

// done gives back what get or put returned.
func (t *holder) done(h *held) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave(h)
}

// put takes h, whose users is 1 for who calls; false: there is no room.
func (t *holder) put(urlPath string, h *held) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.files) >= maxHeld || t.data+len(h.data) > maxData || h.file != nil && t.open >= maxOpen {
		return false
	}
	if old := t.files[urlPath]; old != nil {
		t.drop(urlPath, old)
	}
	if t.files == nil {
		t.files = map[string]*held{}
	}
	h.users++
	t.files[urlPath] = h
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
func (t *holder) drop(urlPath string, h *held) {
	delete(t.files, urlPath)
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
	for urlPath, h := range t.files {
		if !now.Before(h.until) {
			t.drop(urlPath, h)
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
	for urlPath, h := range t.files {
		t.drop(urlPath, h)
	}
	if t.sweep != nil {
		t.sweep.Stop()
	}
}

// hold keeps a file for the requests of the next second and returns it, or nil where
// that cannot be: it was changed just now, or there is no room. f is the holder's then.
func (q *request) hold(name string, f *os.File, fi fs.FileInfo, ctype string) *held {
	now := time.Now()
	m, ok := filemark.Of(fi)
	if !ok || !m.Settled(now) {
		return nil
	}
	h := &held{
		path: filepath.Join(string(q.cfg.Root), name), mark: m, until: now.Add(holdTime),
		modified: fi.ModTime(), size: fi.Size(), file: f, users: 1,
		etag: []string{etag(fi, "")}, media: []string{ctype}, length: []string{strconv.FormatInt(fi.Size(), 10)},
	}
	if h.modified.Unix() > 0 {
		h.lastModified = []string{h.modified.UTC().Format(http.TimeFormat)}
	}
	if h.size <= maxShort {
		if h.data, h.file = readWhole(f, h.size, m), nil; h.data == nil {
			return nil
		}
	}
	if !q.files.put(q.r.URL.Path, h) {
		return nil
	}
	if h.file == nil {
		_ = f.Close() // it was only read
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
	nosniff = []string{"nosniff"}
	inBytes = []string{"bytes"}
)

// send answers with a file that is held.
func (h *held) send(s *Service, w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Etag"], header["Content-Type"] = h.etag, h.media
	if s.cacheControl != nil {
		header["Cache-Control"] = s.cacheControl
	}
	if !whole(r) {
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
