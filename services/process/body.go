package process

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/httperr"
)

// aMoment is how long a read of a body may take to say why it failed: net/http
// ends the request first.
const aMoment = 100 * time.Millisecond

// A body is a client's on its way to a child. A failed attempt must not close it:
// it has not read it. The proxy closes it in the end.
type body struct {
	io.Reader
	over chan struct{} // closed when nothing more comes
	once atomic.Bool
	err  error // why it could not be read to its end; set before over is closed
}

func newBody(r io.Reader) *body { return &body{Reader: r, over: make(chan struct{})} }

// Close is the transport's.
func (b *body) Close() error { return nil }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && b.once.CompareAndSwap(false, true) {
		if err != io.EOF { //nolint:errorlint // io.Reader's contract
			b.err = err
		}
		close(b.over)
	}
	return n, err
}

// failure is why the body could not be read, as far as that is known within wait.
func (b *body) failure(wait time.Duration) error {
	if b == nil {
		return nil
	}
	if wait > 0 {
		select {
		case <-b.over:
		case <-time.After(wait):
		}
	}
	select {
	case <-b.over:
		return b.err
	default:
		return nil
	}
}

// refuse answers a client whose body stalled or is no body, of which the program
// knows nothing. It reports whether that is what happened.
func (v *visit) refuse(w http.ResponseWriter, r *http.Request) bool {
	wait := time.Duration(0)
	if r.Context().Err() != nil {
		wait = aMoment
	}
	err := v.body.failure(wait)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		httperr.Write(w, r, http.StatusRequestTimeout, "request_timeout", "The request body did not come in time.")
	case err == nil || r.Context().Err() != nil:
		return false
	default:
		httperr.Write(w, r, http.StatusBadRequest, "bad_request", "The request body broke off.")
	}
	return true
}
