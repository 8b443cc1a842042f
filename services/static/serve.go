package static

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// A request is one request on its way through the folder.
type request struct {
	*Service
	w    http.ResponseWriter
	r    *http.Request
	root *os.Root
	// first: the file that is looked for can be no other than the one that is found
	// first, so that its mark tells whether that is still so.
	first bool
	kept  *os.File // is the holder's, not to be closed here
}

// ServeHTTP answers GET and HEAD from the folder.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Content-Type-Options"] = nosniff
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are possible here", http.StatusMethodNotAllowed)
		return
	}
	if k, ok := s.keyOf(r); ok {
		if h := s.files.get(k); h != nil {
			defer s.files.done(h)
			h.send(s, w, r)
			return
		}
	}
	root, err := os.OpenRoot(string(s.cfg.Root))
	if err != nil {
		s.log.Error().Err(err).Msg("open the root")
		http.Error(w, "the files are not there at the moment", http.StatusServiceUnavailable)
		return
	}
	defer root.Close()
	req := &request{Service: s, w: w, r: r, root: root}
	if err := req.serve(); err != nil {
		req.fail(err)
	}
}

// serve answers the request, or returns an error before it has answered.
func (q *request) serve() error {
	name, folder, ok := split(q.r.URL.Path)
	if !ok {
		return q.fallback(q.r.URL.Path, fs.ErrNotExist)
	}
	if strings.Contains(q.r.URL.Path, "//") {
		q.redirect(urlPath(name, folder))
		return nil
	}
	f, fi, err := q.open(name)
	if err != nil {
		return q.fallback(name, err)
	}
	defer q.close(f)
	switch {
	case fi.IsDir() && !folder:
		// Relative, so that it is right behind a proxy that cuts a prefix off.
		q.redirect("./" + path.Base(name) + "/")
		return nil
	case fi.IsDir():
		return q.folder(name, f)
	case folder:
		return q.fallback(name, fs.ErrNotExist) // a file is no folder
	}
	q.first = true
	return q.file(name, f, fi)
}

// split turns a path into a name below the root, "." for the root itself.
// folder: it ends in a slash. It is not ok if a part of it must not be served.
func split(urlPath string) (name string, folder, ok bool) {
	if !strings.HasPrefix(urlPath, "/") || strings.ContainsRune(urlPath, 0) {
		return "", false, false
	}
	var parts []string
	for part := range strings.SplitSeq(urlPath, "/") {
		if part == "" {
			continue
		}
		if !servable(part) && (part != ".well-known" || len(parts) > 0) {
			return "", false, false
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ".", true, true
	}
	return strings.Join(parts, "/"), strings.HasSuffix(urlPath, "/"), true
}

// servable reports whether a file or folder of this name is not hidden.
func servable(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\x00")
}

// urlPath is the opposite of split.
func urlPath(name string, folder bool) string {
	if name == "." {
		return "/"
	}
	return "/" + name + slashIf(folder)
}

func slashIf(b bool) string {
	if b {
		return "/"
	}
	return ""
}

// open opens a file or folder below the root. The caller closes it.
func (q *request) open(name string) (*os.File, fs.FileInfo, error) {
	// A named pipe without a writer would hold up a blocking open for ever.
	f, err := q.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// close closes a file that is not held.
func (q *request) close(f *os.File) {
	if f != q.kept {
		_ = f.Close() // it was only read
	}
}

// redirect sends the client to another path, with the query that it came with.
func (q *request) redirect(to string) {
	u := url.URL{Path: to, RawQuery: q.r.URL.RawQuery}
	q.w.Header().Set("Location", u.String())
	q.w.WriteHeader(http.StatusMovedPermanently)
}

// folder serves the index of a folder, or its list.
func (q *request) folder(name string, dir *os.File) error {
	for i, index := range q.cfg.Index {
		file := path.Join(name, index)
		f, fi, err := q.open(file)
		if err != nil {
			if unavailable(err) {
				return err
			}
			continue
		}
		defer q.close(f)
		if !fi.IsDir() {
			q.first = i == 0
			return q.file(file, f, fi)
		}
	}
	if q.cfg.Browse {
		return q.list(name, dir)
	}
	return q.fallback(name, fs.ErrNotExist)
}

// file serves a file, or the compressed one beside it.
func (q *request) file(name string, f *os.File, fi fs.FileInfo) error {
	h := q.w.Header()
	ctype, err := contentType(name, f)
	if err != nil {
		return fmt.Errorf("look at the type: %w", err)
	}
	original := found{f, fi, name, ""}
	sent := original
	if q.cfg.Precompressed {
		if sibling, ok := q.sibling(name, fi); ok {
			defer q.close(sibling.File)
			sent = sibling
		}
	}
	if q.first {
		if held := q.hold(sent, original, ctype); held != nil {
			defer q.files.done(held)
			held.send(q.Service, q.w, q.r)
			return nil
		}
	}
	if q.cfg.Precompressed {
		varies(h)
	}
	f, fi, encoding := sent.File, sent.fi, sent.encoding
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", ctype)
	h.Set("ETag", etag(fi, encoding))
	if q.cfg.CacheControl != "" {
		h.Set("Cache-Control", q.cfg.CacheControl)
	}
	if fi.Size() <= maxShort && whole(q.r) {
		return q.short(f, fi)
	}
	w := q.w
	if encoding != "" {
		w = sized{w, fi.Size()}
	}
	http.ServeContent(w, q.r, "", fi.ModTime(), f)
	return nil
}

// etag is a strong validator: it changes with size, time and encoding.
func etag(fi fs.FileInfo, encoding string) string {
	b := strconv.AppendInt(make([]byte, 0, 64), fi.Size(), 10)
	b = strconv.AppendInt(append(b, ' '), fi.ModTime().UnixNano(), 10)
	h := fnv.New64a()
	h.Write(append(append(b, ' '), encoding...))
	return `"` + strconv.FormatUint(h.Sum64(), 36) + `"`
}

// sized gives a whole answer with a Content-Encoding its length, which
// http.ServeContent leaves out; without a length there is no sendfile.
type sized struct {
	http.ResponseWriter
	size int64
}

func (s sized) WriteHeader(status int) {
	if status == http.StatusOK {
		s.Header().Set("Content-Length", strconv.FormatInt(s.size, 10))
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s sized) ReadFrom(r io.Reader) (int64, error) { return io.Copy(s.ResponseWriter, r) }

// fallback answers what is not there: with the index of an application, or with
// the folder's own page, or not at all.
func (q *request) fallback(name string, err error) error {
	if unavailable(err) {
		return err
	}
	if q.cfg.SPA && path.Ext(name) == "" {
		if done, err := q.application(); done {
			return err
		}
	}
	f, fi, pageErr := q.open("404.html")
	if pageErr != nil {
		return err
	}
	defer f.Close()
	if fi.IsDir() {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.FormatInt(fi.Size(), 10))
	h.Set("Cache-Control", "no-cache")
	q.w.WriteHeader(http.StatusNotFound)
	if q.r.Method != http.MethodHead {
		_, _ = io.CopyN(q.w, f, fi.Size())
	}
	return nil
}

// application answers with the index of the root, the first that exists, and
// reports whether there is one.
func (q *request) application() (done bool, err error) {
	for _, index := range q.cfg.Index {
		f, fi, err := q.open(index)
		if err != nil {
			continue
		}
		if fi.IsDir() {
			_ = f.Close()
			continue
		}
		defer f.Close()
		return true, q.file(index, f, fi)
	}
	return false, nil
}

// fail answers a request that nothing else has answered. A link out of the root,
// a name that is too long, a file that may not be read: none of them is there.
func (q *request) fail(err error) {
	if unavailable(err) {
		q.log.Error().Err(err).Msg("read the folder")
		http.Error(q.w, "the file cannot be read at the moment", http.StatusServiceUnavailable)
		return
	}
	http.Error(q.w, "there is nothing at this address", http.StatusNotFound)
}

// unavailable tells trouble of the machine from what is only not there.
func unavailable(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOMEM, syscall.ESTALE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
