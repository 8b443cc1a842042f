package http1

import (
	"io"
	"os"
	"sync"
)

// ReadFrom implements io.ReaderFrom. Where the length of the body is known, files
// go out by sendfile, short ones with the head.
func (x *exchange) ReadFrom(src io.Reader) (total int64, err error) {
	if err := x.admit(0); err != nil {
		return 0, err
	}
	rf, ok := x.conn.nc.(io.ReaderFrom)
	if !ok || x.head || x.length < 0 || !bodyAllowed(x.status) {
		return x.copy(src, -1)
	}
	file := isFile(src)
	if !x.decided && !(file && x.plan.typed) {
		// There is an answer only when there is a body, and it may tell its type.
		if total, err = x.copy(src, sniffed); err != nil || total < sniffed {
			return total, err
		}
	}
	x.decide(nil)
	room := x.length - x.written
	if file && room <= int64(cap(x.out)-len(x.out)) {
		n, err := x.copy(src, room)
		return total + n, err
	}
	if w, ok := x.conn.nc.(Writer); ok && file && len(x.out) > 0 {
		_, err := w.WriteMore(x.out)
		x.fails(err)
		x.out = x.out[:0]
	}
	x.flush()
	if x.err != nil {
		return total, x.err
	}
	n, err := rf.ReadFrom(limit(src, room))
	x.written += n
	if err != nil {
		x.fails(err)
	}
	return total + n, err
}

// limit keeps src from having more than room bytes, within reach of sendfile.
func limit(src io.Reader, room int64) io.Reader {
	l, ok := src.(*io.LimitedReader)
	if !ok {
		return &io.LimitedReader{R: src, N: room}
	}
	if l.N > room {
		return &io.LimitedReader{R: l.R, N: room}
	}
	return l
}

// isFile reports whether r is a part of a file, or all of it: nobody waits for what
// comes next.
func isFile(r io.Reader) bool {
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	if s, ok := r.(*io.SectionReader); ok {
		outer, _, _ := s.Outer()
		_, ok := outer.(*os.File)
		return ok
	}
	_, ok := r.(*os.File)
	return ok
}

const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copy writes what src has, at most most bytes; negative: all.
func (x *exchange) copy(src io.Reader, most int64) (total int64, err error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	file := isFile(src)
	for most != 0 {
		p := buf[:]
		if most > 0 {
			p = p[:min(most, copySize)]
		}
		n, err := src.Read(p)
		if n > 0 {
			x.follows = file && n == len(p) && x.written+int64(n) < x.length
			n, werr := x.Write(p[:n])
			x.follows = false
			total += int64(n)
			if werr != nil {
				return total, werr
			}
			if most > 0 {
				most -= int64(n)
			}
		}
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
