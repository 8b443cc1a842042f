package process

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/ratelimit"
)

const (
	// maxLine is how much of a line goes into the log; the rest of it is dropped.
	maxLine = 8 << 10
	// lastWords is how long the output may stay open after the program's end: by
	// what left its group and inherited it.
	lastWords = time.Second
)

// output takes what children write into the log, so fast and no faster. It reads
// always: a child never waits for the log.
type output struct {
	limit   atomic.Pointer[ratelimit.Limiter[struct{}]] // nil: nothing is logged
	dropped prometheus.Counter
}

// setRate allows so many lines in a second.
func (o *output) setRate(lines int) {
	if lines == 0 {
		o.limit.Store(nil)
		return
	}
	o.limit.Store(ratelimit.New[struct{}](float64(lines), 10*lines, 1))
}

// streams are the two of one child.
type streams struct {
	output  *output
	readers [2]*os.File
	writers [2]*os.File
	done    sync.WaitGroup
}

var streamNames = [2]string{"stdout", "stderr"}

// attach makes cmd write into new pipes.
func (o *output) attach(cmd *exec.Cmd) (*streams, error) {
	s := &streams{output: o}
	for i := range s.readers {
		var err error
		if s.readers[i], s.writers[i], err = os.Pipe(); err != nil {
			s.close()
			s.started()
			return nil, err
		}
	}
	cmd.Stdout, cmd.Stderr = s.writers[0], s.writers[1]
	return s, nil
}

// started lets go of the child's ends.
func (s *streams) started() {
	for _, w := range s.writers {
		if w != nil {
			_ = w.Close()
		}
	}
}

// close lets go of the ends that are read.
func (s *streams) close() {
	for _, r := range s.readers {
		if r != nil {
			_ = r.Close()
		}
	}
}

// read begins to read.
func (s *streams) read(log zerolog.Logger) {
	for i, r := range s.readers {
		s.done.Go(func() { s.output.copy(r, log.With().Str("stream", streamNames[i]).Logger()) })
	}
}

// finish waits until everything was read, but not for long.
func (s *streams) finish() {
	cut := time.AfterFunc(lastWords, s.close)
	s.done.Wait()
	if cut.Stop() {
		s.close()
	}
}

// copy logs r line by line until its end.
func (o *output) copy(r io.Reader, log zerolog.Logger) {
	in := bufio.NewReaderSize(r, maxLine)
	dropped := 0
	report := func() {
		if dropped > 0 {
			log.Info().Int("lines", dropped).Msg("lines of the program's output were left out")
			dropped = 0
		}
	}
	defer report()
	for {
		line, err := in.ReadSlice('\n')
		if cut := errors.Is(err, bufio.ErrBufferFull); len(line) > 0 {
			if limit := o.limit.Load(); limit == nil || !limit.Allow(struct{}{}, time.Now()) {
				o.dropped.Inc()
				if limit != nil {
					dropped++
				}
			} else {
				report()
				e := log.Info()
				if cut {
					e = e.Bool("cut", true)
				}
				e.Msg(printable(line))
			}
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
		}
		if err != nil {
			return
		}
	}
}

// printable is a line fit for a log and a terminal: valid UTF-8, without control
// characters and without the escape sequences that color or move (ECMA-48,
// section 5.4).
func printable(line []byte) string {
	line = bytes.TrimRight(line, "\r\n")
	var b strings.Builder
	b.Grow(len(line))
	for len(line) > 0 {
		if line[0] == 0x1b {
			line = line[escape(line):]
			continue
		}
		r, n := utf8.DecodeRune(line)
		line = line[n:]
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case !unicode.IsControl(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escape is the length of the escape sequence that line begins with.
func escape(line []byte) int {
	if len(line) < 2 || line[1] != '[' {
		return 1
	}
	for i := 2; i < len(line); i++ {
		if c := line[i]; c >= 0x40 && c <= 0x7e {
			return i + 1
		} else if c < 0x20 || c > 0x3f {
			return i
		}
	}
	return len(line)
}
