package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/porticod/portico/pkg/blob"
)

// headSize is how much of a blob Open reads: most are not longer, and reading a
// file's head does not end the stream of the rest.
const headSize = 64 << 10

// A file is an open blob: its head in memory, and, from where it is read on, one
// request that is read as it comes. What is read from the beginning to the end is
// compared with the blob's ID.
type file struct {
	store *Store
	ctx   context.Context // of Open
	id    blob.ID
	size  int64
	head  []byte

	mu     sync.Mutex
	pos    int64              // of Read; guarded by mu
	body   io.ReadCloser      // nil: none; guarded by mu
	at     int64              // where body is; guarded by mu
	end    context.CancelFunc // of body; guarded by mu
	sum    hash.Hash          // of what was read up to summed; guarded by mu
	summed int64              // guarded by mu
	closed bool               // guarded by mu
}

// open reads the head.
func (f *file) open() error {
	return f.store.try(f.ctx, "open blob", answerTime, func(ctx context.Context) error {
		var opt minio.GetObjectOptions
		if err := opt.SetRange(0, headSize-1); err != nil {
			return err
		}
		body, info, header, err := f.store.client.GetObject(ctx, f.store.at.Bucket, f.store.key(f.id), opt)
		var answer minio.ErrorResponse
		if errors.As(err, &answer) && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable {
			return f.check() // there is nothing in it
		}
		if err != nil {
			return err
		}
		defer body.Close()
		if f.head, err = io.ReadAll(io.LimitReader(body, headSize)); err != nil {
			return err
		}
		if f.size, err = whole(header, info.Size); err != nil {
			return err
		}
		return f.check()
	})
}

// whole is the length of an object of which a part was asked for.
func whole(header http.Header, length int64) (int64, error) {
	text := header.Get("Content-Range")
	if text == "" {
		return length, nil // the server sends all
	}
	var from, to, size int64
	if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &from, &to, &size); err != nil || size < 0 {
		return 0, fmt.Errorf("the bucket's answer has the range %q", text)
	}
	return size, nil
}

// check compares a blob that is all head with its ID, and begins the sum of
// another.
func (f *file) check() error {
	f.sum = sha256.New()
	f.sum.Write(f.head)
	f.summed = int64(len(f.head))
	if f.summed < min(f.size, headSize) {
		return io.ErrUnexpectedEOF
	}
	return f.compare()
}

// compare says whether all that was read is what was stored, if it was all. It
// needs mu once the file is open.
func (f *file) compare() error {
	if f.summed == f.size && !bytes.Equal(f.sum.Sum(nil), f.id[:]) {
		return errWrongBytes
	}
	return nil
}

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.read(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt. Reads one after another are one request.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read blob: negative offset")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) && err == nil {
		var k int
		k, err = f.read(p[n:], off+int64(n))
		n += k
	}
	if n == len(p) && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (f *file) Seek(off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += f.pos
	case io.SeekEnd:
		off += f.size
	}
	if off < 0 {
		return 0, errors.New("seek blob: negative position")
	}
	f.pos = off
	return off, nil
}

// Close implements io.Closer.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.hangUp()
	return nil
}

// hangUp needs mu.
func (f *file) hangUp() {
	if f.body != nil {
		_ = f.body.Close()
		f.end()
		f.body = nil
	}
}

// read reads some bytes from off on. It needs mu.
func (f *file) read(p []byte, off int64) (int, error) {
	switch {
	case f.closed:
		return 0, fmt.Errorf("read blob: %w", os.ErrClosed)
	case off >= f.size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case off < int64(len(f.head)):
		return copy(p, f.head[off:]), nil
	}
	p = p[:min(int64(len(p)), f.size-off)]
	n := 0
	// What fails is asked for again, from where it failed.
	err := f.store.try(f.ctx, "read blob", forGood, func(context.Context) (err error) {
		if f.body == nil || f.at != off {
			if err := f.request(off); err != nil {
				return err
			}
		}
		if n, err = f.body.Read(p); n > 0 {
			return nil
		}
		f.hangUp()
		if err == nil || errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if f.at += int64(n); f.summed == off {
		f.sum.Write(p[:n])
		f.summed += int64(n)
		if err := f.compare(); err != nil {
			return 0, fmt.Errorf("read blob: %w: %w", blob.ErrAway, err) // no end without it
		}
	}
	return n, nil
}

// request asks for all from off on. It needs mu. The request goes on for as long
// as it is read; the transport ends it when it stalls.
func (f *file) request(off int64) error {
	f.hangUp()
	var opt minio.GetObjectOptions
	if err := opt.SetRange(off, f.size-1); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(f.ctx)
	late := time.AfterFunc(answerTime, cancel)
	body, _, _, err := f.store.client.GetObject(ctx, f.store.at.Bucket, f.store.key(f.id), opt)
	late.Stop()
	if err != nil {
		cancel()
		return err
	}
	f.body, f.at, f.end = body, off, cancel
	return nil
}
