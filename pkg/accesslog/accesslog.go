// Package accesslog writes one line for each request or raw connection, to the
// daemon's log or to a file of its own. It does not open or rotate files.
package accesslog

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Entry is what is known about one request or one raw connection when it ended.
type Entry struct {
	Listener, Route, Service string
	Peer                     string // address of the client, without port
	Start                    time.Time
	Duration                 time.Duration
	BytesIn, BytesOut        int64
	RequestID                string

	// Of requests only; Method is empty for a raw connection.
	Method, Host, Path, Proto string
	Status                    int
	UserAgent, Referer        string
}

// A Log writes entries. It is safe for concurrent use. The zero Log and a nil
// one discard them.
type Log struct {
	write func(*Entry)
}

// New returns a Log that writes to log, at level info.
func New(log zerolog.Logger) *Log {
	return &Log{write: func(e *Entry) { event(log.Info(), e).Msg("access") }}
}

// NewWriter returns a Log with lines of its own in w: "json", or "combined",
// the format that web server statistics read. w is called once a line, from
// several goroutines.
func NewWriter(w io.Writer, format string) *Log {
	if format == "combined" {
		return &Log{write: func(e *Entry) { io.WriteString(w, combined(e)) }}
	}
	log := zerolog.New(w)
	return &Log{write: func(e *Entry) { event(log.Log().Time("time", e.Start), e).Send() }}
}

// Write writes e.
func (l *Log) Write(e *Entry) {
	if l != nil && l.write != nil {
		l.write(e)
	}
}

func event(z *zerolog.Event, e *Entry) *zerolog.Event {
	z = z.Str("listener", e.Listener).Str("route", e.Route).Str("service", e.Service).Str("peer", e.Peer).
		Float64("duration_ms", float64(e.Duration.Microseconds())/1e3).Int64("bytes_in", e.BytesIn).Int64("bytes_out", e.BytesOut)
	if e.Method == "" {
		return z
	}
	return z.Str("method", e.Method).Str("host", e.Host).Str("path", e.Path).Str("proto", e.Proto).
		Int("status", e.Status).Str("request_id", e.RequestID)
}

// combined is NCSA's format. The query is left out of the request line: tokens
// and signatures travel there.
func combined(e *Entry) string {
	request := "-"
	if e.Method != "" {
		request = quoted(e.Method + " " + e.Path + " " + e.Proto)
	}
	return fmt.Sprintf("%s - - [%s] \"%s\" %s %d \"%s\" \"%s\"\n", e.Peer, e.Start.Format("02/Jan/2006:15:04:05 -0700"),
		request, status(e.Status), e.BytesOut, orDash(quoted(e.Referer)), orDash(quoted(e.UserAgent)))
}

func status(code int) string {
	if code == 0 {
		return "-"
	}
	return strconv.Itoa(code)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// quoted keeps what clients send from breaking out of a quoted field or a line.
func quoted(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) < 0 {
		return s
	}
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}
