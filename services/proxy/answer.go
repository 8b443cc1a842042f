package proxy

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/upstream"
)

// An answer is what an upstream says. It is an io.Reader of the body. Who has it
// closes it.
type answer struct {
	head
	src  io.ReadCloser  // the body, from net/http; nil: the next bytes of line are it
	left int64          // how many of them
	line *line          // that is given back at the end; nil: was, or net/http sees to that
	res  *http.Response // for trailers; nil: there are none
}

// fromResponse is an answer that net/http has read.
func fromResponse(res *http.Response, into fields) answer {
	a := answer{head: head{status: res.StatusCode, fields: into, length: res.ContentLength}, res: res, src: res.Body}
	a.fields.appendHeader(res.Header)
	return a
}

// Read implements io.Reader. At the end of the body the connection is free.
func (a *answer) Read(p []byte) (n int, err error) {
	switch {
	case a.src != nil && a.line == nil:
		return a.src.Read(p)
	case a.line == nil:
		return 0, io.EOF
	case a.src != nil:
		n, err = a.src.Read(p)
	default:
		n, err = a.line.br.Read(p[:min(int64(len(p)), a.left)])
		a.left -= int64(n)
		switch {
		case a.left == 0:
			err = io.EOF
		case err == io.EOF: //nolint:errorlint // io.Reader's contract
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		a.end(a.last || err != io.EOF) //nolint:errorlint // io.Reader's contract
	}
	return n, err
}

// here is the body if it is in memory, whole. It is good until the answer is
// closed.
func (a *answer) here() ([]byte, bool) {
	if a.src != nil || a.line == nil || a.left > int64(a.line.br.Buffered()) {
		return nil, false
	}
	b, err := a.line.br.Peek(int(a.left))
	return b, err == nil
}

// close ends the answer. What was not read of the body is not read any more,
// as net/http would: the connection goes instead.
func (a *answer) close() {
	if b, ok := a.here(); ok {
		_, _ = a.line.br.Discard(len(b))
		a.left = 0
		a.end(a.last)
		return
	}
	if a.src != nil && a.line == nil {
		_ = a.src.Close()
	}
	a.end(true)
}

func (a *answer) end(last bool) {
	if a.line != nil {
		a.line.done(last)
		a.line = nil
		if a.src != nil {
			a.src = http.NoBody
		}
	}
}

// deliver passes an answer on and ends the lease.
func (x *exchange) deliver(lease *upstream.Lease, a *answer, want upstream.Want) {
	defer lease.Release()
	defer a.close()
	if a.status == http.StatusSwitchingProtocols {
		x.tunnel(a)
		return
	}
	a.fields.dropHopByHop()
	if x.cache != nil && x.reuse(a) {
		return
	}
	if x.cache != nil && x.cache.forNobody {
		x.keep(a)
		return
	}
	x.g.responseRules.apply(&a.fields)
	h := x.w.Header()
	if len(h["X-Request-Id"]) > 0 {
		a.fields.del("X-Request-Id") // the front door's own counts
	}
	a.fields.putInto(h)
	if x.g.cfg.Balance == "sticky" && want.Prefer != lease.Upstream.ID {
		x.s.stick(x.w, x.r, lease.Upstream)
	}
	if a.res != nil {
		for k := range a.res.Trailer {
			h.Add("Trailer", k)
		}
	}
	dst := sink{w: x.w, length: a.length}
	if x.cache != nil {
		h["Cache-Status"] = append(h["Cache-Status"], x.cache.status(a.status))
		dst.fill, dst.unkept = x.cache.fill, x.cache.unkept
	}
	if x.g.cfg.Compress {
		dst.coder = x.s.coders.choose(x.r, a.status, h)
	}
	x.w.WriteHeader(a.status)
	if err := x.copy(&dst, a); err != nil {
		panic(http.ErrAbortHandler) // the client must not take it for the whole
	}
	x.filled(true)
	x.trailers(a.res)
}

// copy moves the body.
func (x *exchange) copy(dst *sink, a *answer) error {
	if x.r.Method == http.MethodHead {
		dst.drop()
		return nil
	}
	if b, ok := a.here(); ok {
		return dst.whole(b)
	}
	if mediaType(x.w.Header().Get("Content-Type")) == eventStream {
		x.context()
		defer x.s.env.Track(nil, func(int) { x.cancel(errDrained) })()
	}
	err := dst.copy(a, x.watch, x.s.coders)
	if err != nil && errors.Is(x.ended(), errDrained) {
		x.filled(false)
		return nil // an event stream has no other end
	}
	return err
}

// keep moves the body into the store alone, as long as it is kept there.
func (x *exchange) keep(a *answer) {
	f := x.cache.fill
	if f == nil {
		return
	}
	buf := x.s.coders.buffer()
	defer x.s.coders.putBuffer(buf)
	for {
		n, err := a.Read(buf[:])
		if !f.write(buf[:n]) {
			return
		}
		if err != nil {
			x.filled(err == io.EOF) //nolint:errorlint // io.Reader's contract
			return
		}
	}
}

// trailers sends the trailers, those too that were not announced.
func (x *exchange) trailers(res *http.Response) {
	if res == nil || len(res.Trailer) == 0 {
		return
	}
	h := x.w.Header()
	announced := h["Trailer"]
	for k, v := range res.Trailer {
		for _, a := range announced {
			if a == k {
				h[k] = v
			}
		}
		if _, ok := h[k]; !ok {
			h[http.TrailerPrefix+k] = v
		}
	}
	// Without this a short body would get a Content-Length and no trailers.
	_ = http.NewResponseController(x.w).Flush()
}

const eventStream = "text/event-stream"

// mediaType is a Content-Type without its parameters.
func mediaType(ct string) string {
	if strings.IndexByte(ct, ';') < 0 {
		return strings.ToLower(strings.TrimSpace(ct))
	}
	if t, _, err := mime.ParseMediaType(ct); err == nil {
		return t
	}
	t, _, _ := strings.Cut(ct, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// A sink is where a body goes.
type sink struct {
	w      http.ResponseWriter
	coder  *coder // nil: as it is
	fill   *fill  // gets it too; nil: nobody does
	unkept func() // is told that fill cannot take it
	length int64  // of what comes; negative: unknown
}

// whole sends a body that is all there.
func (d *sink) whole(b []byte) error {
	d.note(b)
	if d.coder == nil {
		_, err := d.w.Write(b)
		return err
	}
	d.coder.Reset(d.w)
	defer d.drop()
	if _, err := d.coder.Write(b); err != nil {
		return err
	}
	return d.coder.Close()
}

// copy returns an error if the body did not arrive whole.
func (d *sink) copy(src io.Reader, w *watch, pool *coders) error {
	var dst io.Writer = d.w
	if d.coder != nil {
		d.coder.Reset(d.w)
		dst = d.coder
	}
	if d.length < 0 {
		if err := http.NewResponseController(d.w).Flush(); err != nil {
			return err
		}
	}
	buf := pool.buffer()
	defer pool.putBuffer(buf)
	for {
		n, err := src.Read(buf[:])
		w.touch()
		if n > 0 {
			d.note(buf[:n])
			if _, err := dst.Write(buf[:n]); err != nil {
				d.drop()
				return err
			}
			w.touch()
			d.length -= int64(n)
			// Of an answer whose length is known, a part that does not fill the
			// buffer means that the rest is not here yet.
			if (d.length < 0 || d.length > 0 && n < len(buf)) && err == nil {
				if err := d.flush(); err != nil {
					d.drop()
					return err
				}
			}
		}
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return d.end()
		}
		if err != nil {
			d.drop()
			return err
		}
	}
}

func (d *sink) note(b []byte) {
	if d.fill != nil && !d.fill.write(b) {
		d.fill = nil
		d.unkept()
	}
}

func (d *sink) flush() error {
	if d.coder != nil {
		if err := d.coder.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(d.w).Flush()
}

func (d *sink) end() error {
	if d.coder == nil {
		return nil
	}
	err := d.coder.Close()
	d.drop()
	return err
}

// drop gives the coder back.
func (d *sink) drop() {
	if d.coder != nil {
		d.coder.release()
		d.coder = nil
	}
}
