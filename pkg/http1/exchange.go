package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// An exchange is a request and its answer: the http.ResponseWriter that handlers get.
// None is used twice, because handlers may keep what they were given. What it says
// to whom is as net/http has it.
type exchange struct {
	conn *conn
	req  http.Request
	url  url.URL
	body body
	ctx  requestContext

	is11   bool // HTTP/1.1
	bare   bool // the request has no body
	head   bool // the method is HEAD
	keep10 bool // HTTP/1.0, and asks for more
	duplex bool
	last   bool // the connection ends with this answer
	linger bool // and after a while only

	header   http.Header // of the answer; nil: not asked for yet
	plan     plan
	status   int   // 0: not decided on
	length   int64 // of the body, as declared; -1: was not
	written  int64 // of the body, by the handler
	decided  bool  // the head is whole, in out
	chunking bool
	done     atomic.Bool // the handler has returned
	hijacked bool
	follows  bool  // more of the body comes at once after what is being sent
	limited  bool  // the handler has set a write deadline
	err      error // of a write
	out      []byte
	vector   net.Buffers // for sending out with what follows
	outBuf   *[outSize]byte
	pend     []byte // of the body, what waits for the head or for a chunk to be filled
	pendBuf  *[pendSize]byte

	deadlines sync.Mutex // held while a handler's read deadline is set
	shut      bool       // handlers may set none any more; guarded by deadlines

	expect  sync.Mutex  // held while 100 Continue is sent
	expects atomic.Bool // the client waits for 100 Continue

	values [16]string // of the request's fields, if they are not more
}

const (
	// outSize has room for the head of an answer and a short body.
	outSize = 8 << 10
	// pendSize is how long a body may be whose length is found out, in bytes.
	pendSize = 4 << 10
	sniffed  = 512 // bytes that http.DetectContentType looks at
)

var (
	outBuffers  = sync.Pool{New: func() any { return new([outSize]byte) }}
	pendBuffers = sync.Pool{New: func() any { return new([pendSize]byte) }}
)

// begin makes the request complete, whose head was read.
func (x *exchange) begin() {
	r := &x.req
	r.RemoteAddr, r.TLS = x.conn.remote, x.conn.tls
	x.head = r.Method == http.MethodHead
	x.last = x.is11 && r.Close
	if r.ContentLength == 0 {
		r.Body = http.NoBody
		x.body.err = io.EOF
		x.bare, x.ctx.body = true, true
	} else {
		x.body.x, x.body.left, x.body.chunked = x, r.ContentLength, r.ContentLength < 0
		if x.body.chunked {
			x.body.left = 0
		}
		r.Body = &x.body
		// What is armed is not meant for the body.
		if !x.conn.armed.IsZero() || x.conn.moved.Load() {
			x.conn.moved.Store(false)
			x.conn.setReadDeadline(time.Time{})
		}
	}
	x.req = *r.WithContext(&x.ctx)
}

// refusesExpectation answers an expectation that is not known (RFC 9110 section
// 10.1.1), and otherwise prepares to meet it.
func (x *exchange) refusesExpectation() bool {
	expect := x.req.Header["Expect"]
	switch {
	case len(expect) == 0 || expect[0] == "":
	case httpguts.HeaderValuesContainsToken(expect[:1], "100-continue"):
		x.expects.Store(x.is11 && x.req.ContentLength != 0)
	default:
		x.Header().Set("Connection", "close")
		x.WriteHeader(http.StatusExpectationFailed)
		return true
	}
	return false
}

// sayContinue has the client send the body that it was asked for.
func (x *exchange) sayContinue() {
	if !x.expects.Load() {
		return
	}
	x.expect.Lock()
	defer x.expect.Unlock()
	if x.expects.Load() {
		_, _ = io.WriteString(x.conn.nc, "HTTP/1.1 100 Continue\r\n\r\n") // what fails shows when the body is read
		x.expects.Store(false)                                            // only now may an answer begin
	}
}

// dontContinue is called when an answer begins: what was not asked for by then never
// is. It reports whether the client waits still.
func (x *exchange) dontContinue() bool {
	if !x.expects.Load() {
		return false
	}
	x.expect.Lock()
	defer x.expect.Unlock()
	return x.expects.Swap(false)
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header {
	if x.header == nil {
		x.header = make(http.Header, 8)
	}
	return x.header
}

// SetReadDeadline is for http.ResponseController. Whoever reads the body may call it
// late.
func (x *exchange) SetReadDeadline(t time.Time) error {
	x.deadlines.Lock()
	defer x.deadlines.Unlock()
	if x.shut {
		return os.ErrClosed
	}
	x.conn.moved.Store(true)
	return x.conn.nc.SetReadDeadline(t)
}

// keepDeadlines leaves the read deadline to the server, or to who takes the connection
// over.
func (x *exchange) keepDeadlines() {
	x.deadlines.Lock()
	defer x.deadlines.Unlock()
	x.shut = true
}

// SetWriteDeadline is for http.ResponseController.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	if x.done.Load() {
		return os.ErrClosed
	}
	x.limited = true
	return x.conn.nc.SetWriteDeadline(t)
}

// EnableFullDuplex is for http.ResponseController.
func (x *exchange) EnableFullDuplex() error {
	x.duplex = true
	return nil
}

var errHandlerReturned = errors.New("http1: Hijack after the handler has returned")

// Hijack implements http.Hijacker.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case x.hijacked:
		return nil, nil, http.ErrHijacked
	case x.done.Load():
		return nil, nil, errHandlerReturned
	}
	x.dontContinue()
	if x.status != 0 {
		x.decide(nil)
		x.flush()
	}
	x.hijacked = true
	x.drop()
	c := x.conn
	x.keepDeadlines()
	c.unwatch()                    // first: the deadline would look like a client that has left
	_ = c.nc.SetReadDeadline(past) // who reads the body still, ends
	_ = x.body.Close()             // and has, before what it reads into is given away
	_ = c.nc.SetDeadline(time.Time{})
	n := c.in.buffered()
	// What was read already is in the reader's buffer, all of it: many take what is
	// there and then read the connection itself.
	br := bufio.NewReaderSize(&leftover{rest: string(c.in.bytes()), nc: c.nc}, max(inputSize, n))
	if n > 0 {
		c.in.skip(n)
		_, _ = br.Peek(n)
	}
	c.in.Drop()
	c.srv.State(c.nc, http.StateHijacked)
	return c.nc, bufio.NewReadWriter(br, bufio.NewWriter(c.nc)), nil
}

// leftover reads what was read already, and then the connection.
type leftover struct {
	rest string
	nc   net.Conn
}

func (l *leftover) Read(p []byte) (n int, err error) {
	if l.rest == "" {
		return l.nc.Read(p)
	}
	n = copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// drop gives the buffers back.
func (x *exchange) drop() {
	if x.outBuf != nil {
		outBuffers.Put(x.outBuf)
	}
	if x.pendBuf != nil {
		pendBuffers.Put(x.pendBuf)
	}
	x.out, x.outBuf, x.pend, x.pendBuf = nil, nil, nil, nil
}

// abandon ends an answer whose handler has given up.
func (x *exchange) abandon() {
	x.done.Store(true)
	if x.decided {
		x.flush() // so that the client sees how far it came
	}
	_ = x.conn.nc.Close()
	_ = x.body.Close()
	x.drop()
}

// finish sends what is left of the answer and says what becomes of the connection.
func (x *exchange) finish() outcome {
	x.done.Store(true)
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	x.decide(x.pend)
	x.end()
	x.drop()
	if x.limited {
		_ = x.conn.nc.SetWriteDeadline(time.Time{})
	}
	if x.req.MultipartForm != nil {
		_ = x.req.MultipartForm.RemoveAll()
	}
	switch {
	case x.err != nil:
		_ = x.conn.nc.Close() // ends who reads the body still
	case x.last && x.bare: // nobody does
	case x.last:
		_ = x.conn.nc.SetReadDeadline(past) // the same
	case !x.consumed():
		x.last, x.linger = true, true
	}
	if !x.bare {
		_ = x.body.Close()
	}
	switch {
	case x.err != nil:
		return ends
	case x.linger || x.last && !x.bare && !x.body.ended():
		return lingers
	case x.last, !x.head && x.length >= 0 && x.length != x.written && bodyAllowed(x.status):
		return ends
	}
	return goesOn
}

// consumed reads what the handler left of the request's body, so that another
// request can follow. It reports false if that takes too much.
func (x *exchange) consumed() bool {
	return x.bare || x.body.discard()
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
