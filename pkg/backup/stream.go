package backup

import (
	"context"
	"io"
)

// A pipe may block for ever: the other end sleeps. Work on one ends with its
// context all the same; the goroutine that is stuck then ends with the other
// end, or with the process.

type result struct {
	n   int
	err error
}

// letGoWriter writes to w until ctx ends. The caller calls end.
type letGoWriter struct {
	ctx  context.Context
	work chan []byte
	done chan result
}

func newLetGoWriter(ctx context.Context, w io.Writer) *letGoWriter {
	l := &letGoWriter{ctx, make(chan []byte), make(chan result, 1)}
	go func() {
		for p := range l.work {
			n, err := w.Write(p)
			l.done <- result{n, err}
		}
	}()
	return l
}

// Write implements io.Writer. After an error of the context p is still in use.
func (l *letGoWriter) Write(p []byte) (int, error) {
	select {
	case l.work <- p:
	case <-l.ctx.Done():
		return 0, context.Cause(l.ctx)
	}
	select {
	case r := <-l.done:
		return r.n, r.err
	case <-l.ctx.Done():
		return 0, context.Cause(l.ctx)
	}
}

func (l *letGoWriter) end() { close(l.work) }

// letGoReader reads from r until ctx ends. The caller calls end.
type letGoReader struct {
	ctx  context.Context
	work chan int
	done chan result
	buf  []byte // the goroutine's between work and done
}

func newLetGoReader(ctx context.Context, r io.Reader) *letGoReader {
	l := &letGoReader{ctx, make(chan int), make(chan result, 1), make([]byte, 256<<10)}
	go func() {
		for n := range l.work {
			n, err := r.Read(l.buf[:n])
			l.done <- result{n, err}
		}
	}()
	return l
}

// Read implements io.Reader.
func (l *letGoReader) Read(p []byte) (int, error) {
	select {
	case l.work <- min(len(p), len(l.buf)):
	case <-l.ctx.Done():
		return 0, context.Cause(l.ctx)
	}
	select {
	case r := <-l.done:
		return copy(p, l.buf[:r.n]), r.err
	case <-l.ctx.Done():
		return 0, context.Cause(l.ctx)
	}
}

func (l *letGoReader) end() { close(l.work) }
