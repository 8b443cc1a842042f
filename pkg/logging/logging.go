// Package logging makes the daemon's root logger and the log files that can be
// reopened after they were rotated. It holds no global logger, and it does not
// decide what is worth a line.
package logging

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// The formats of a log.
const (
	Auto    = "auto"    // console on a terminal, JSON elsewhere
	Console = "console" // for people
	JSON    = "json"    // one object a line
)

// A Root is the daemon's log. Its level and format can change while loggers
// that were made from it are in use; they follow. It is safe for concurrent use.
type Root struct {
	out      io.Writer
	terminal bool
	level    atomic.Int32 // a zerolog.Level
	console  atomic.Bool
	pretty   zerolog.ConsoleWriter
	queue    *Queue     // nil: lines are written by who logs them
	mu       sync.Mutex // held while a line is written
}

// New returns a log that writes to out, at level info and format auto. out gets
// a whole line with each call, one call at a time: a pipe may tear long lines.
func New(out io.Writer) *Root {
	r := &Root{out: out, terminal: IsTerminal(out)}
	r.pretty = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !r.terminal || os.Getenv("NO_COLOR") != ""}
	r.level.Store(int32(zerolog.InfoLevel))
	r.console.Store(r.terminal)
	return r
}

// Detach has lines written by a goroutine, so that whoever logs never waits for
// who reads; see Queue. On a terminal it changes nothing: there what a command
// prints itself and its log should stay in order. Call it before the first line.
func (r *Root) Detach() {
	if r.terminal || r.queue != nil {
		return
	}
	r.queue = NewQueue(r.out, r.dropped)
	r.out, r.pretty.Out = r.queue, r.queue
}

// Close writes what waits, for at most patience. Without Detach it does nothing.
func (r *Root) Close(patience time.Duration) error {
	if r.queue == nil {
		return nil
	}
	return r.queue.Close(patience)
}

// dropped is the line that tells of lines that are missing, in the format of now.
func (r *Root) dropped(n int) []byte {
	var line, pretty bytes.Buffer
	log := zerolog.New(&line).With().Timestamp().Logger()
	log.Warn().Int("lines", n).Msg("the log was not read fast enough; lines are missing here")
	if !r.console.Load() {
		return line.Bytes()
	}
	w := r.pretty
	w.Out = &pretty
	if _, err := w.Write(line.Bytes()); err != nil {
		return line.Bytes()
	}
	return pretty.Bytes()
}

// Set changes the level (trace, debug, info, warn, error) and the format. On an
// error nothing changed.
func (r *Root) Set(level, format string) error {
	l, err := zerolog.ParseLevel(level)
	if err != nil || l < zerolog.TraceLevel || l > zerolog.ErrorLevel {
		return fmt.Errorf("log level %q: not one of trace, debug, info, warn, error", level)
	}
	var console bool
	switch format {
	case Auto, "":
		console = r.terminal
	case Console:
		console = true
	case JSON:
	default:
		return fmt.Errorf("log format %q: not one of auto, console, json", format)
	}
	r.level.Store(int32(l))
	r.console.Store(console)
	return nil
}

// Logger is the root logger. Whoever passes it on tags it first.
func (r *Root) Logger() zerolog.Logger {
	// The level is a sampler and not Logger.Level, because children copy the
	// latter when they are made and would not follow a reload.
	return zerolog.New(format{r}).Sample(level{r}).With().Timestamp().Logger()
}

// level lets events pass that are at or above the level of now.
type level struct{ r *Root }

func (s level) Sample(l zerolog.Level) bool { return l >= zerolog.Level(s.r.level.Load()) }

// format writes an event in the format of now.
type format struct{ r *Root }

// WriteLevel implements zerolog.LevelWriter. Whoever gives a logger a sampler of
// his own takes the level's away.
func (f format) WriteLevel(l zerolog.Level, p []byte) (int, error) {
	if !level(f).Sample(l) {
		return len(p), nil
	}
	return f.Write(p)
}

func (f format) Write(p []byte) (int, error) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	if f.r.console.Load() {
		return f.r.pretty.Write(p)
	}
	return f.r.out.Write(p)
}

// IsTerminal reports whether stream, a reader or a writer, is a file that is a
// terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isTerminal(f)
}
