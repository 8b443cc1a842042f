package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// maxLeft is how much of a body that nobody read is read for the next request's
	// sake, in bytes. More than that, and the connection ends instead.
	maxLeft   = 256 << 10
	maxExcess = 16 << 10 // bytes of chunk lines beyond what the data is worth
)

var (
	errChunk   = errors.New("http1: malformed chunked encoding")
	errTrailer = errors.New("http1: malformed or too long trailer after a chunked body")
)

// A body is that of a request. It may be read by another goroutine than the
// handler's, and for longer than that runs: then with http.ErrBodyReadAfterClose.
type body struct {
	x       *exchange
	chunked bool

	mu     sync.Mutex // guards the rest, and reading
	left   int64      // bytes of the body or, where it is chunked, of the chunk
	inside bool       // a chunk was begun, and the end of its data is to come
	ending bool       // the last chunk was; the trailer is to come
	excess int64
	err    error // of the body: io.EOF is its good end
	late   bool  // the last read was ended by a deadline
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.x.sayContinue()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

// Close ends the reading. What is left is the server's affair.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// read must be called with mu held.
func (b *body) read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.chunked {
		n, b.err = b.readChunks(p)
	} else {
		n, b.err = b.x.conn.in.Read(p[:min(int64(len(p)), b.left)])
		if b.left -= int64(n); b.left == 0 {
			b.err = io.EOF
		} else if b.err == io.EOF { //nolint:errorlint // a connection returns it bare
			b.err = io.ErrUnexpectedEOF
		}
	}
	switch {
	case b.err == nil:
		b.late = false
	case b.err == io.EOF: //nolint:errorlint // our own
		b.x.ctx.bodyEnded()
	case isTimeout(b.err):
		err, b.err, b.late = b.err, nil, true // who sets another deadline may go on
		return n, err
	}
	return n, b.err
}

// readChunks is RFC 9112 section 7.1. It does not wait while it has something.
func (b *body) readChunks(p []byte) (n int, err error) {
	in := &b.x.conn.in
	for n < len(p) {
		if b.left == 0 {
			if n > 0 && !b.hasNext(in.bytes()) {
				return n, nil
			}
			if err := b.nextChunk(); err != nil {
				return n, err
			}
			continue
		}
		if n > 0 && in.buffered() == 0 {
			return n, nil
		}
		m, err := in.Read(p[n:][:min(int64(len(p)-n), b.left)])
		n += m
		b.left -= int64(m)
		if err != nil {
			return n, cutShort(err)
		}
	}
	return n, nil
}

// hasNext reports whether p has the line of the next chunk.
func (b *body) hasNext(p []byte) bool {
	if b.inside {
		p = p[min(2, len(p)):]
	}
	return bytes.IndexByte(p, '\n') >= 0
}

func cutShort(err error) error {
	if err == io.EOF { //nolint:errorlint // a connection returns it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextChunk goes on to the data of the next chunk; io.EOF: there is none.
func (b *body) nextChunk() error {
	in := &b.x.conn.in
	if b.ending {
		return b.trailer()
	}
	if b.inside {
		for in.buffered() < 2 {
			if err := in.more(inputSize); err != nil {
				return cutShort(err)
			}
		}
		if in.buf[in.r] != '\r' || in.buf[in.r+1] != '\n' {
			return errChunk
		}
		in.skip(2)
		b.inside = false
	}
	line, err := in.line()
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok {
		return errChunk
	}
	// Who sends a byte in each chunk sends five bytes about it. That is allowed;
	// any amount of extensions is not.
	b.excess = max(0, b.excess+int64(len(line))+2-16-2*size)
	if b.excess > maxExcess {
		return errChunk
	}
	in.skip(len(line) + 2)
	if size == 0 {
		b.ending = true
		return b.trailer()
	}
	b.left, b.inside = size, true
	return nil
}

// line waits for a whole line, of inputSize bytes at most, and returns it without its
// CRLF, and without using it. A bare LF ends none: servers that disagree about that
// can be lied to.
func (in *input) line() ([]byte, error) {
	for from := 0; ; {
		if i := bytes.IndexByte(in.bytes()[from:], '\n'); i >= 0 {
			line := in.bytes()[:from+i]
			if cr := bytes.IndexByte(line, '\r'); cr < 0 || cr != len(line)-1 {
				return nil, errChunk
			}
			return line[:len(line)-1], nil
		}
		from = in.buffered()
		if err := in.more(inputSize); err == errFull { //nolint:errorlint // our own
			return nil, errChunk
		} else if err != nil {
			return nil, cutShort(err)
		}
	}
}

// chunkSize reads the size at the beginning of a chunk's line.
func chunkSize(line []byte) (n int64, ok bool) {
	line, _, _ = bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	if len(line) == 0 || len(line) > 16 {
		return 0, false
	}
	for _, c := range line {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		if n > 1<<56 {
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// trailer reads what follows the last chunk (RFC 9112 section 7.1.2); io.EOF: all is
// well.
func (b *body) trailer() error {
	in := &b.x.conn.in
	for from := 0; ; {
		p := in.bytes()
		if len(p) >= 2 && p[0] == '\r' && p[1] == '\n' {
			in.skip(2)
			return io.EOF
		}
		if i := bytes.Index(p[from:], []byte("\r\n\r\n")); i >= 0 {
			n := from + i + 4
			err := b.x.trailer(string(p[:n]))
			in.skip(n)
			return err
		}
		from = max(0, len(p)-3)
		if err := in.more(inputSize); err != nil {
			if isTimeout(err) {
				return err
			}
			return errTrailer
		}
	}
}

// trailer adds the fields of s to the request's; io.EOF: it is one.
func (x *exchange) trailer(s string) error {
	if s[0] == ' ' || s[0] == '\t' || strings.Count(s, "\n") != strings.Count(s, "\r\n") {
		return errTrailer
	}
	var fields http.Header
	for {
		var line string
		line, s, _ = cutLine(s)
		if line == "" {
			break
		}
		if s[0] == ' ' || s[0] == '\t' {
			if strings.IndexByte(line, ':') < 0 {
				return errTrailer
			}
			line, s = unfold(line, s)
		} else {
			line = trim(line)
		}
		name, value, err := parseField(line)
		if err != nil {
			return errTrailer
		}
		if fields == nil {
			fields = http.Header{}
		}
		fields[name] = append(fields[name], value)
	}
	if x.req.Trailer == nil {
		x.req.Trailer = fields
		return io.EOF
	}
	for name, values := range fields {
		x.req.Trailer[name] = values
	}
	return io.EOF
}

// discard reads what is left of the body, up to maxLeft, and reports whether that
// was all: then the next request follows. Who was waited for in vain is not again.
func (b *body) discard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && !b.late && (b.chunked || b.left <= maxLeft) {
		// Under mu: at the end of the body a watch may set another one.
		if b.x.done.Load() || !b.x.conn.moved.Load() {
			b.x.conn.setReadDeadline(time.Now().Add(leftTime))
		}
		buf := discardBuffers.Get().(*[discardSize]byte)
		defer discardBuffers.Put(buf)
		for n := 0; n <= maxLeft; {
			m, err := b.read(buf[:])
			if n += m; err != nil {
				break
			}
		}
	}
	return b.err == io.EOF //nolint:errorlint // our own
}

// ended reports whether all of it was read.
func (b *body) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err == io.EOF //nolint:errorlint // our own
}

const discardSize = 8 << 10

var discardBuffers = sync.Pool{New: func() any { return new([discardSize]byte) }}
