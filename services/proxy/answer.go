package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/upstream"
)

// deliver passes an answer on and ends the lease.
func (x *exchange) deliver(lease *upstream.Lease, res *http.Response, want upstream.Want) {
	defer lease.Release()
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(res)
		return
	}
	removeHopByHop(res.Header)
	x.g.responseRules.apply(res.Header)
	h := x.w.Header()
	for k, v := range res.Header {
		switch own := h[k]; {
		case len(own) == 0:
			h[k] = v
		case k != "X-Request-Id": // the front door's own counts
			h[k] = append(own, v...)
		}
	}
	if x.g.cfg.Balance == "sticky" && want.Prefer != lease.Upstream.ID {
		x.s.stick(x.w, x.r, lease.Upstream)
	}
	for k := range res.Trailer {
		h.Add("Trailer", k)
	}
	dst := sink{rc: http.NewResponseController(x.w), w: x.w, length: res.ContentLength}
	if x.g.cfg.Compress {
		dst.coder = x.s.coders.choose(x.r, res, h)
	}
	x.w.WriteHeader(res.StatusCode)
	if err := x.copy(&dst, res); err != nil {
		panic(http.ErrAbortHandler) // the client must not take it for the whole
	}
	x.trailers(res)
}

// copy moves the body.
func (x *exchange) copy(dst *sink, res *http.Response) error {
	if x.r.Method == http.MethodHead {
		dst.drop()
		return nil
	}
	if mediaType(res.Header) == "text/event-stream" {
		defer x.s.env.Track(nil, func(int) { x.cancel(errDrained) })()
	}
	err := dst.copy(res.Body, x.watch, x.s.coders)
	if err != nil && errors.Is(context.Cause(x.ctx), errDrained) {
		return nil // an event stream has no other end
	}
	return err
}

// trailers sends the trailers, those too that were not announced.
func (x *exchange) trailers(res *http.Response) {
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
	if len(res.Trailer) > 0 {
		// Without this a short body would get a Content-Length and no trailers.
		_ = http.NewResponseController(x.w).Flush()
	}
}

// mediaType is the type of a message without its parameters.
func mediaType(h http.Header) string {
	ct := h.Get("Content-Type")
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
	rc     *http.ResponseController
	coder  *coder // nil: as it is
	length int64  // of what comes; negative: unknown
}

// copy returns an error if the body did not arrive whole.
func (d *sink) copy(src io.Reader, w *watch, pool *coders) error {
	var dst io.Writer = d.w
	if d.coder != nil {
		d.coder.Reset(d.w)
		dst = d.coder
	}
	if d.length < 0 {
		if err := d.rc.Flush(); err != nil {
			return err
		}
	}
	buf := pool.buffer()
	defer pool.putBuffer(buf)
	for {
		n, err := src.Read(buf[:])
		w.touch()
		if n > 0 {
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

func (d *sink) flush() error {
	if d.coder != nil {
		if err := d.coder.Flush(); err != nil {
			return err
		}
	}
	return d.rc.Flush()
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
