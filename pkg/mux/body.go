package mux

import (
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// lingering is how long a client may take to send a body that nobody wants.
const lingering = 5 * time.Second

// patientBody ends the reading of a body that makes no progress, or too little. A
// service may go on reading when its handler has returned.
type patientBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	stats *portStats
	limit time.Duration // without progress; 0: none
	meter ratelimit.Meter
	armed time.Time
	proto int
	slow  atomic.Bool
}

func newPatientBody(w http.ResponseWriter, r *http.Request, s *state) *patientBody {
	b := &patientBody{
		ReadCloser: r.Body, rc: http.NewResponseController(w), stats: s.stats, limit: s.Front.ReadTimeout, proto: r.ProtoMajor,
		meter: ratelimit.Meter{Rate: float64(s.Front.MinRate), Window: s.Front.ReadTimeout},
	}
	if b.proto == 1 { // the server may read where the handler does not
		b.arm(time.Now())
	}
	return b
}

// arm makes sure that the limit is left. It is a little more than that, so that
// not every read sets a timer.
func (b *patientBody) arm(now time.Time) {
	if b.limit > 0 && b.armed.Sub(now) < b.limit {
		b.armed = now.Add(b.limit + b.limit/8)
		_ = b.rc.SetReadDeadline(b.armed) // not supported: then without
	}
}

func (b *patientBody) Read(p []byte) (int, error) {
	if b.slow.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	began := time.Now()
	b.arm(began)
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF: //nolint:errorlint // a reader returns it bare
		// The server may go on reading to see the client leave; that may take long.
		b.armed = time.Time{}
		if b.limit > 0 {
			_ = b.rc.SetReadDeadline(time.Time{})
		}
	case err == nil && b.meter.Slow(int64(n), time.Since(began)):
		b.slow.Store(true)
		b.stats.tooSlow(slowBody)
		_ = b.rc.SetReadDeadline(past)
		return n, os.ErrDeadlineExceeded
	}
	return n, err
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
