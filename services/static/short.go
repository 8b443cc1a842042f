package static

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync"
)

// maxShort is the size in bytes up to which a file is read and written rather
// than sent by the kernel: header and body then take one system call.
const maxShort = 64 << 10

var shortBuffers = sync.Pool{New: func() any { return new([maxShort]byte) }}

// whole reports whether all of a file is asked for, whatever the client has.
func whole(r *http.Request) bool {
	for _, name := range []string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return r.Method == http.MethodGet
}

// short answers with all of a short file. Nothing was written if it fails.
func (q *request) short(f *os.File, fi fs.FileInfo) error {
	buf := shortBuffers.Get().(*[maxShort]byte)
	defer shortBuffers.Put(buf)
	n, err := f.ReadAt(buf[:fi.Size()], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h := q.w.Header()
	h.Set("Accept-Ranges", "bytes")
	if mod := fi.ModTime(); mod.Unix() > 0 {
		h.Set("Last-Modified", mod.UTC().Format(http.TimeFormat))
	}
	h.Set("Content-Length", strconv.Itoa(n)) // it may have become shorter meanwhile
	_, _ = q.w.Write(buf[:n])                // the client is gone if this fails
	return nil
}
