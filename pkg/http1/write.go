package http1

import (
	"net"
	"net/http"
	"os"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// A Writer is a connection that writes several pieces with one system call, and is
// told when more follows at once. One that is none gets larger pieces.
type Writer interface {
	WriteBuffers(net.Buffers) (int64, error)
	WriteMore([]byte) (int, error)
}

// A MoreSetter is a connection below TLS, which writes records one by one. It is told
// whether more follows at once what is written from now on: then the kernel fills its
// packets.
type MoreSetter interface{ SetMore(more bool) }

// maxRecord is how many bytes a record of TLS has room for.
const maxRecord = 16 << 10

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	switch {
	case x.hijacked:
		x.conn.srv.ErrorLog.Printf("http: WriteHeader on a hijacked connection")
		return
	case x.status != 0:
		x.conn.srv.ErrorLog.Printf("http: superfluous WriteHeader")
		return
	case status < 100 || status > 999:
		panic("invalid WriteHeader code " + strconv.Itoa(status))
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if !x.is11 {
			return // RFC 9110 section 15.2
		}
		if status == http.StatusContinue {
			x.dontContinue()
		}
		b := appendInterim(appendStatus(nil, x.is11, status), x.header)
		x.send(b)
		return
	}
	if x.dontContinue() && !x.body.ended() {
		x.last = true // the body may come or not
	}
	x.status = status
	x.outBuf = outBuffers.Get().(*[outSize]byte)
	x.out = appendStatus(x.outBuf[:0], x.is11, status)
	x.out = x.plan.appendHeader(x.out, x.header, status)
	if l := x.plan.length; l != "" {
		n, err := strconv.ParseInt(l, 10, 64)
		if err == nil && n >= 0 {
			x.length = n
		} else {
			x.conn.srv.ErrorLog.Printf("http: invalid Content-Length of %q", l)
		}
	}
}

// decide completes the head: what the body is like and what becomes of the
// connection. begun is the beginning of the body.
func (x *exchange) decide(begun []byte) {
	if x.decided {
		return
	}
	x.decided = true
	p := &x.plan
	coded := p.coding != ""
	if x.done.Load() && !p.trailing && !coded && bodyAllowed(x.status) && x.length < 0 && (!x.head || len(begun) > 0) {
		x.length = int64(len(begun))
	}
	keeps10 := x.persists()
	x.clear()
	allowed := bodyAllowed(x.status)
	if !p.dated {
		x.out = x.conn.srv.appendDate(x.out)
	}
	sized := x.length >= 0 && allowed && (!coded || p.coding == "identity")
	if x.length >= 0 && coded && p.coding != "identity" {
		x.length = -1
	}
	switch {
	case x.head || !allowed:
	case sized:
	case x.is11 && p.coding == "identity":
		x.last = true
	case x.is11:
		x.chunking = true
	default:
		x.last = true
	}
	if sized {
		x.out = append(x.out, "Content-Length: "...)
		x.out = append(strconv.AppendInt(x.out, x.length, 10), "\r\n"...)
	}
	if allowed && !p.typed && !coded && len(begun) > 0 {
		x.out = appendField(x.out, "Content-Type", http.DetectContentType(begun))
	}
	x.appendConnection(keeps10)
	if x.chunking {
		x.out = append(x.out, "Transfer-Encoding: chunked\r\n"...)
	}
	x.out = append(x.out, "\r\n"...)
}

// persists decides whether the connection may go on, and whether a client of
// HTTP/1.0 must be told so.
func (x *exchange) persists() (keeps10 bool) {
	switch {
	case x.keep10 && (x.head || x.length >= 0 || !bodyAllowed(x.status)):
		keeps10 = len(x.plan.connection) == 0
	case !x.is11:
		x.last = true
	}
	if first(x.plan.connection) == "close" {
		x.last = true
	}
	return keeps10
}

// clear reads the rest of the request's body before the answer goes out: many a
// client sends all of it before it reads, and would wait for ever.
func (x *exchange) clear() {
	if !x.last && !x.duplex && !x.consumed() {
		x.last, x.linger = true, true
	}
}

func (x *exchange) appendConnection(keeps10 bool) {
	p := &x.plan
	switch {
	case x.last && !p.isSwitch(x.status) && !httpguts.HeaderValuesContainsToken(p.connection[:min(1, len(p.connection))], "close"):
		if x.is11 {
			x.out = append(x.out, "Connection: close\r\n"...)
		}
		return
	case keeps10:
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	}
	for _, v := range p.connection {
		x.out = appendField(x.out, "Connection", v)
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if err := x.admit(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	return write(x, p)
}

// WriteString implements io.StringWriter.
func (x *exchange) WriteString(s string) (int, error) {
	if err := x.admit(len(s)); err != nil || s == "" {
		return 0, err
	}
	return write(x, s)
}

// answers begins the answer, if that is not done; an error: nobody may any more.
func (x *exchange) answers() error {
	if x.hijacked {
		return http.ErrHijacked
	}
	if x.done.Load() {
		return os.ErrClosed
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	return nil
}

// admit checks that n more bytes of body may be written.
func (x *exchange) admit(n int) error {
	if err := x.answers(); err != nil {
		return err
	}
	if n == 0 {
		return x.err
	}
	if !bodyAllowed(x.status) {
		return http.ErrBodyNotAllowed
	}
	x.written += int64(n)
	if x.length >= 0 && x.written > x.length {
		return http.ErrContentLength
	}
	return x.err
}

// write adds p to the body.
func write[T []byte | string](x *exchange, p T) (int, error) {
	if !x.decided && x.length < 0 || x.chunking {
		if len(x.pend)+len(p) <= pendSize {
			if x.pendBuf == nil {
				x.pendBuf = pendBuffers.Get().(*[pendSize]byte)
				x.pend = x.pendBuf[:0]
			}
			x.pend = append(x.pend, p...)
			return len(p), nil
		}
	}
	if !x.decided {
		if len(x.pend) > 0 {
			x.decide(x.pend)
		} else {
			x.decide([]byte(p[:min(len(p), sniffed)]))
		}
	}
	switch {
	case x.head:
		x.pend = x.pend[:0]
	case x.chunking:
		x.writeChunk([]byte(p))
	case len(x.pend) == 0 && len(p) <= cap(x.out)-len(x.out):
		x.out = append(x.out, p...)
	default:
		x.writeOut(x.pend, []byte(p))
		x.pend = x.pend[:0]
	}
	if x.written == x.length {
		x.flush() // there is nothing to wait for
	}
	if x.err != nil {
		return 0, x.err
	}
	return len(p), nil
}

// writeChunk sends what waits and p as one chunk: RFC 9112 section 7.1.
func (x *exchange) writeChunk(p []byte) {
	if n := len(x.pend) + len(p); n > 0 {
		x.out = strconv.AppendInt(x.out, int64(n), 16)
		x.out = append(x.out, "\r\n"...)
		x.writeOut(x.pend, p, crlf)
		x.pend = x.pend[:0]
	}
}

var crlf = []byte("\r\n")

// writeOut adds parts to what is to be sent, or sends it with them.
func (x *exchange) writeOut(parts ...[]byte) {
	size := len(x.out)
	for _, p := range parts {
		size += len(p)
	}
	v, ok := x.conn.nc.(Writer)
	if ok && size > cap(x.out) {
		if x.err == nil {
			x.vector = append(append(x.vector[:0], x.out), parts...)
			rest := x.vector
			_, err := v.WriteBuffers(rest)
			clear(x.vector)
			x.fails(err)
		}
		x.out = x.out[:0]
		return
	}
	for _, p := range parts {
		for len(p) > 0 {
			if len(x.out) == 0 && len(p) >= cap(x.out) {
				x.send(p)
				break
			}
			n := copy(x.out[len(x.out):cap(x.out)], p)
			x.out, p = x.out[:len(x.out)+n], p[n:]
			if len(p) > 0 {
				x.follows = true
				x.flush()
				x.follows = false
			}
		}
	}
}

// flush sends what is to be sent.
func (x *exchange) flush() {
	if len(x.out) > 0 {
		x.send(x.out)
		x.out = x.out[:0]
	}
}

func (x *exchange) send(b []byte) {
	if m := x.conn.more; m != nil {
		n := max(len(b)-1, 0) / maxRecord * maxRecord
		if x.follows {
			n = len(b)
		}
		if n > 0 && x.err == nil {
			m.SetMore(true)
			_, err := x.conn.nc.Write(b[:n])
			m.SetMore(false)
			x.fails(err)
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	if x.err == nil {
		_, err := x.conn.nc.Write(b)
		x.fails(err)
	}
}

// fails notes that the client cannot be reached.
func (x *exchange) fails(err error) {
	if err != nil && x.err == nil {
		x.err = err
		x.ctx.end()
	}
}

// FlushError sends what is buffered; http.ResponseController finds it.
func (x *exchange) FlushError() error {
	if err := x.answers(); err != nil {
		return err
	}
	x.decide(x.pend)
	x.part()
	x.flush()
	return x.err
}

// Flush implements http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// part turns what waits of the body into what is to be sent.
func (x *exchange) part() {
	switch {
	case x.head:
	case x.chunking:
		x.writeChunk(nil)
	default:
		x.writeOut(x.pend)
	}
	x.pend = x.pend[:0]
}

// end sends the rest of the answer.
func (x *exchange) end() {
	x.part()
	if x.chunking {
		x.out = append(x.out, "0\r\n"...)
		x.out = x.plan.appendTrailers(x.out, x.header)
		x.out = append(x.out, "\r\n"...)
	}
	x.flush()
}
