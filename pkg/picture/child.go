package picture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/picture/jpegenc"
	"github.com/porticod/portico/pkg/picture/sandbox"
)

// childArg is the only argument of a worker.
const childArg = "picture-worker"

// Child makes this process a worker of the one that started it if args, without
// the program's name, say so: ok is true then and status is to be exited with. A
// program that has a Pool with UseProcesses calls it before anything else.
func Child(args []string) (status int, ok bool) {
	if len(args) != 1 || args[0] != childArg {
		return 0, false
	}
	// The service manager and the terminal signal everybody at once. A worker
	// ends what it is at; the end of its input ends it.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	out := os.Stdout
	os.Stdout = os.Stderr // whoever prints does not print into the answers
	if err := serve(os.Stdin, out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// garbage is how much of it a worker lets come together, in percent of what it
// needs. That is little, and almost all new with each picture: at 100 the kernel
// has to give the same pages again and again, for a tenth of the time.
const garbage = 300

// serve works until in ends.
func serve(in io.Reader, out io.Writer) error {
	var hello request
	if err := receive(in, &hello); err != nil || hello.Settings == nil {
		return fmt.Errorf("read settings: %w", err)
	}
	debug.SetGCPercent(garbage)
	if m := hello.Settings.Memory; m > 0 {
		debug.SetMemoryLimit(m * 3 / 4) // collect garbage harder before the wall
	}
	report := sandbox.Enter(*hello.Settings)
	if err := send(out, answer{Report: &report}); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if m := hello.Settings.Memory; m > 0 && !report.Limits {
		go watchMemory(m)
	}
	w := workshop{in: in, out: bufio.NewWriterSize(out, 64<<10)}
	for {
		if err := w.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// watchMemory ends the process when it has more than limit bytes, where the
// kernel was not allowed to see to that.
func watchMemory(limit int64) {
	for range time.Tick(100 * time.Millisecond) {
		if n := fromKernel(); n > limit {
			fmt.Fprintf(os.Stderr, "out of memory: %d MiB, %d are allowed\n", n>>20, limit>>20)
			os.Exit(2)
		}
	}
}

// A workshop is a worker's state. One picture is worked on at a time.
type workshop struct {
	in    io.Reader
	out   *bufio.Writer
	codec jpegenc.Codec
	buf   []byte // of the picture's bytes, used again
}

// keptBuffer is the most of buf in bytes that is kept from one picture to the next.
const keptBuffer = 32 << 20

// next works on one picture. Its error is that of the pipes.
func (w *workshop) next() error {
	var req request
	if err := receive(w.in, &req); err != nil {
		return err // io.EOF: nothing more to do
	}
	if int64(cap(w.buf)) < req.Size {
		w.buf = make([]byte, req.Size)
	}
	src := w.buf[:req.Size]
	if _, err := io.ReadFull(w.in, src); err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	var end answer
	hash, err := w.make(req, inMemory{bytes.NewReader(src), src})
	if err != nil {
		end.fail(err)
	}
	end.Blurhash = hash
	if cap(w.buf) > keptBuffer {
		w.buf = nil
	}
	end.Memory = fromKernel()
	if end.Memory > processKept*3/4 || heavy(req.Specs) {
		debug.FreeOSMemory() // a large picture leaves hundreds of MiB to collect
		end.Memory = fromKernel()
	}
	if err := send(w.out, end); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return w.out.Flush()
}

// inMemory is a Source whose bytes can be had.
type inMemory struct {
	*bytes.Reader
	b []byte
}

func (m inMemory) Bytes() []byte { return m.b }

func (w *workshop) make(req request, src Source) (hash string, err error) {
	info, err := Inspect(src)
	if err != nil {
		return "", err
	}
	n := 0
	k := work{specs: req.Specs, blurhash: req.Blurhash, each: func(v Variant) error {
		err := send(w.out, answer{Made: true, Index: n, Format: v.Format, Width: v.Width, Height: v.Height, Size: int64(len(v.Data))})
		n++
		if err == nil {
			_, err = w.out.Write(v.Data)
		}
		if err == nil {
			err = w.out.Flush()
		}
		return err
	}}
	return k.do(context.Background(), &w.codec, src, info)
}

// fromKernel is the memory in bytes that Go has and has not given back.
func fromKernel() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}
