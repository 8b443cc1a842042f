package picture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/ambient"
	"github.com/porticod/portico/pkg/picture/sandbox"
)

// A process is a worker seen from the daemon. One goroutine uses it at a time.
type process struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *bufio.Reader
	said tail

	limits sandbox.Limits // that it was started with

	// Of who uses it, or of processes.mu while it waits.
	pictures int
	memory   int64
	since    time.Time // when it began to wait
	spoiled  bool      // it may be in the middle of something

	killed atomic.Bool
	gone   chan struct{} // closed when it has ended
}

// startProcess starts this program as a worker. done is called when that has
// ended, or could not be started.
func startProcess(ctx context.Context, limits sandbox.Limits, done func()) (*process, sandbox.Report, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		done()
		return nil, sandbox.Report{}, fmt.Errorf("make a pipe: %w", err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		done()
		return nil, sandbox.Report{}, errors.Join(fmt.Errorf("make a pipe: %w", err), childIn.Close(), in.Close())
	}
	widen(in)
	w := &process{in: in, out: bufio.NewReaderSize(out, 64<<10), limits: limits, gone: make(chan struct{})}
	w.cmd = &exec.Cmd{
		Path: "/proc/self/exe", // the same program also after its file was replaced
		Args: []string{os.Args[0], childArg},
		Env:  []string{"GOTRACEBACK=single"}, // nothing of the daemon's, neither sockets nor secrets
		Dir:  "/", Stdin: childIn, Stdout: childOut, Stderr: &w.said, SysProcAttr: attributes(),
	}
	started := make(chan error)
	go func() {
		// The kernel kills a child when the thread that started it ends; this
		// one stays for as long as the child. Then it ends too, for it has given
		// up rights that others have.
		runtime.LockOSThread()
		defer done()
		err := ambient.Renounce()
		if err == nil {
			err = w.cmd.Start()
		}
		_ = errors.Join(childIn.Close(), childOut.Close())
		started <- err
		if err == nil {
			_ = w.cmd.Wait() // how it ended shows in the pipes
		}
		_ = errors.Join(in.Close(), out.Close())
		close(w.gone)
	}()
	if err := <-started; err != nil {
		return nil, sandbox.Report{}, fmt.Errorf("start a worker: %w", err)
	}
	report, err := w.hello(ctx, limits)
	if err != nil {
		w.kill()
		<-w.gone
		return nil, sandbox.Report{}, fmt.Errorf("greet a worker: %w %s", err, w.said.String())
	}
	return w, report, nil
}

// hello sends the settings and waits until the worker is locked up.
func (w *process) hello(ctx context.Context, limits sandbox.Limits) (sandbox.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, processHello)
	defer cancel()
	defer context.AfterFunc(ctx, w.kill)()
	if err := send(w.in, request{Settings: &limits}); err != nil {
		return sandbox.Report{}, err
	}
	var a answer
	if err := receive(w.out, &a); err != nil {
		return sandbox.Report{}, err
	}
	if a.Report == nil {
		return sandbox.Report{}, errors.New("no report")
	}
	return *a.Report, nil
}

// do has the worker do k. The end of ctx kills the worker.
func (w *process) do(ctx context.Context, src Source, info Info, k work) (hash string, err error) {
	w.spoiled = true // until the answer is complete
	defer context.AfterFunc(ctx, w.kill)()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if err := send(w.in, request{Specs: k.specs, Blurhash: k.blurhash, Size: src.Size()}); err != nil {
		return "", fmt.Errorf("%w: %v", errCrashed, err)
	}
	if err := w.feed(ctx, src); err != nil {
		return "", err
	}
	return w.answers(info, k)
}

// answers reads what the worker says of k.
func (w *process) answers(info Info, k work) (hash string, err error) {
	for n := 0; ; n++ {
		var a answer
		if err := receive(w.out, &a); err != nil {
			return "", fmt.Errorf("%w: %v", errCrashed, err)
		}
		if !a.Made {
			if a.Kind == "" && n != len(k.specs) {
				return "", fmt.Errorf("%w: it made %d of %d pictures", errCrashed, n, len(k.specs))
			}
			w.spoiled = false
			w.pictures++
			w.memory = a.Memory
			return a.Blurhash[:min(len(a.Blurhash), 100)], a.failure()
		}
		v, err := w.variant(a, n, info, k.specs)
		if err != nil {
			return "", err
		}
		if err := k.each(v); err != nil {
			return "", err
		}
	}
}

// feed copies the picture to the worker.
func (w *process) feed(ctx context.Context, src Source) error {
	buf := make([]byte, min(src.Size(), 256<<10))
	for off := int64(0); off < src.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), src.Size()-off)], off)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read picture: %w", err)
		}
		if _, err := w.in.Write(buf[:n]); err != nil {
			return fmt.Errorf("%w: %v", errCrashed, err)
		}
		off += int64(n)
	}
	return nil
}

// roomMade is what a file may have in bytes besides 8 for each pixel: its header and
// a profile.
const roomMade = maxICC + 64<<10

// variant reads what the worker made for spec n. A worker that was taken over
// shall not have more power than to make a wrong picture.
func (w *process) variant(a answer, n int, info Info, specs []Spec) (Variant, error) {
	if a.Index != n || n >= len(specs) {
		return Variant{}, fmt.Errorf("%w: it answered nonsense", errCrashed)
	}
	width, height := specs[n].Size(info.Width, info.Height)
	if a.Width != width || a.Height != height || a.Size <= 0 || a.Size > 8*int64(width)*int64(height)+roomMade {
		return Variant{}, fmt.Errorf("%w: it answered nonsense", errCrashed)
	}
	v := Variant{Spec: specs[n], Format: a.Format, Width: a.Width, Height: a.Height, Data: make([]byte, a.Size)}
	if _, err := io.ReadFull(w.out, v.Data); err != nil {
		return Variant{}, fmt.Errorf("%w: %v", errCrashed, err)
	}
	if written(v.Data) != v.Format || v.Format == Auto || v.Spec.Format != Auto && v.Spec.Format != v.Format {
		return Variant{}, fmt.Errorf("%w: it answered nonsense", errCrashed)
	}
	return v, nil
}

// spent reports that the worker is not to be used again.
func (w *process) spent() bool {
	return w.spoiled || w.killed.Load() || w.pictures >= processPictures || w.memory > processKept
}

// end lets the worker go: at once where it may be at something, else by the end
// of its input.
func (w *process) end() {
	if w.spoiled {
		w.kill()
		return
	}
	_ = w.in.Close()
}

func (w *process) kill() {
	w.killed.Store(true)
	_ = w.cmd.Process.Kill() // an error means that it is gone
}

func (w *process) pid() int { return w.cmd.Process.Pid }

// lastWords is what the worker wrote to its standard error, after its end.
func (w *process) lastWords() string {
	w.kill()
	<-w.gone
	return w.said.String()
}
