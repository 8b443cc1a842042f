package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// Health is what the running daemon says of each service, by kind.name: ok, or
// what is wrong.
type Health map[string]string

// Advise puts what the daemon says of a service that is not well before the
// guesses of the results that failed. Without a daemon these have to do.
func Advise(results []Result, health Health) {
	for i, r := range results {
		said := health[r.Service]
		if r.OK || r.Skipped || said == "" || said == "ok" {
			continue
		}
		hint := "the log says since when"
		if kind, _, _ := strings.Cut(r.Service, "."); kind == "process" {
			hint = "its output is in the log"
		}
		results[i].Remedy = "service." + r.Service + ": " + said + "; " + hint
	}
}

// errAtOnce is a connection that was accepted and did not stay.
var errAtOnce = errors.New("the connection was closed at once")

// A statusError is an answer by HTTP that is no good one.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

// A certError is a certificate that is of another time.
type certError struct{ text string }

func (e *certError) Error() string { return e.text }

// A wrongError is an answer that the service would not give.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }

const (
	startIt   = "start the daemon (`portico run`, or `systemctl start portico`); where it runs, `portico reload` puts the file in force"
	upstreams = "see that an upstream runs and listens where the file says; `portico status` and the log name those that do not"
	output    = "the program's output is in the log"
)

// remedy is what to do about err, as far as the error and the kind of the
// service tell.
func (c *Check) remedy(ctx context.Context, err error) string {
	kind, _, _ := strings.Cut(c.Service, ".")
	var (
		status *statusError
		cert   *certError
		wrong  *wrongError
		op     *net.OpError
		ne     net.Error
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return startIt
	case errors.Is(err, os.ErrPermission):
		return "ask as root, or as a user whom the socket's mode lets in"
	case errors.As(err, &status):
		return remedyStatus(kind, status.code)
	case errors.As(err, &cert):
		return "renew it, and see that this machine's clock is right; files that are replaced are served at once"
	case errors.As(err, &wrong):
		return "another program may have the port (`ss -ltnp`), or the daemon runs an older file: `portico reload`"
	case errors.As(err, &op) && op.Op == "dial":
		return "nothing comes back from the address: see that this machine has it (`ip address`), and what a firewall drops"
	case ctx.Err() != nil, errors.As(err, &ne) && ne.Timeout():
		return remedySilence(kind)
	case errors.Is(err, errAtOnce), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return remedyEnd(kind)
	case ofTLS(err):
		return "see the listener's tls block and its certificates in `portico status`; the log has the daemon's side of the handshake"
	}
	return "the log of the daemon says more (`journalctl -u portico`), `portico status` how the service is"
}

// ofTLS reports whether a handshake failed for what was said in it.
func ofTLS(err error) bool {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(err, &alert) || errors.As(err, &record) || strings.Contains(err.Error(), "tls: ")
}

func remedySilence(kind string) string {
	switch kind {
	case "process":
		return "the program took the request and does not answer; its output is in the log"
	case "proxy", "tcp":
		return upstreams + "; one that is slow needs a longer --timeout"
	}
	return "`portico top` shows what keeps the daemon busy; --timeout gives it longer"
}

func remedyEnd(kind string) string {
	switch kind {
	case "process":
		return "the program closed it, or does not run; its output is in the log"
	case "proxy", "tcp":
		return upstreams
	}
	return "a limit or a rule of the listener may have closed it: `portico top` counts what is refused, the log says why"
}

func remedyStatus(kind string, code int) string {
	switch {
	case code < http.StatusInternalServerError:
		return "the service owes another answer; the curl line shows the whole of this one"
	case kind == "process":
		return output
	case kind == "proxy" && code != http.StatusInternalServerError:
		return upstreams
	case code == http.StatusServiceUnavailable:
		return "the daemon takes on nothing new, for want of memory or room (`portico top`), or the service does not work: `portico status` says why"
	}
	return "the log has the error, beside the answer's X-Request-Id"
}
