package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/picture/sandbox"
)

const (
	// processRoom is what a worker may take in bytes beyond the pool's budget:
	// the program, the codec's code, garbage.
	processRoom = 256 << 20
	// processIdle is how long a worker waits for another picture.
	processIdle = 30 * time.Second
	// processPictures is after how many pictures a worker is replaced.
	processPictures = 500
	// processKept is the memory in bytes with which a worker may wait. One that
	// has more after a large picture is replaced.
	processKept = 192 << 20
	// processCPU bounds a worker's CPU time in seconds, in case nobody watches it.
	processCPU = 3600
	// processFiles are its descriptors: three pipes and what the runtime opens.
	processFiles = 32
	// processNice: who delivers pictures goes before who makes them.
	processNice = 5
	// heavyNice: and both before those who make what nobody waits for.
	heavyNice = 10
	// processHello bounds a worker's start.
	processHello = 10 * time.Second
)

var (
	// errNoProcess: no worker could be started.
	errNoProcess = errors.New("no worker process")
	// errCrashed: the worker ended amid its work.
	errCrashed = errors.New("the worker died")
)

// processes are the workers of a Pool. Each works on one picture at a time; how
// many there are is decided by how many callers the Pool lets in.
type processes struct {
	log zerolog.Logger

	mu     sync.Mutex
	limits sandbox.Limits // of those that start
	idle   []*process     // the last used one last
	all    map[*process]struct{}
	timer  *time.Timer // ends idle ones; nil while there are none
	told   bool        // the log knows what the workers can and cannot
	broken bool        // none can be started
	closed bool
	ended  sync.WaitGroup // workers that live
}

// newProcesses adds to limits what is the same for all.
func newProcesses(log zerolog.Logger, limits sandbox.Limits) *processes {
	limits.CPU, limits.Files = processCPU, processFiles
	return &processes{log: log, limits: limits, all: map[*process]struct{}{}}
}

// setMemory is for workers that start from now on; those that wait end, and the
// others after their picture.
func (ps *processes) setMemory(bytes int64) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.limits.Memory = bytes
	for _, w := range ps.idle {
		delete(ps.all, w)
		w.end()
	}
	clear(ps.idle)
	ps.idle = ps.idle[:0]
}

// do has a worker do k. When it dies over a picture of which nothing was given
// away yet another one tries, because the kernel may have wanted its memory; when
// that dies too it is the picture's fault.
func (ps *processes) do(ctx context.Context, src Source, info Info, k work) (hash string, err error) {
	given := false
	each := k.each
	k.each = func(v Variant) error {
		given = true
		return each(v)
	}
	for try := 0; ; try++ {
		w, err := ps.take(ctx)
		if err != nil {
			return "", err
		}
		hash, err := w.do(ctx, src, info, k)
		ps.put(w)
		if !errors.Is(err, errCrashed) {
			return hash, err
		}
		ps.log.Error().Int("worker", w.pid()).Str("said", w.lastWords()).Msg("a worker died over a picture")
		if given || try > 0 {
			return "", fmt.Errorf("%w: the decoder failed", ErrBroken)
		}
	}
}

// take returns a worker that waits or a new one.
func (ps *processes) take(ctx context.Context) (*process, error) {
	ps.mu.Lock()
	if n := len(ps.idle); n > 0 {
		w := ps.idle[n-1]
		ps.idle = ps.idle[:n-1]
		ps.mu.Unlock()
		return w, nil
	}
	if ps.broken || ps.closed {
		ps.mu.Unlock()
		return nil, errNoProcess
	}
	ps.ended.Add(1)
	limits := ps.limits
	ps.mu.Unlock()
	w, report, err := startProcess(ctx, limits, ps.ended.Done)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ps.broken = true
		ps.log.Warn().Err(err).Msg("pictures are made in this process: workers cannot be started")
		return nil, errNoProcess
	}
	if ps.closed {
		w.kill()
		return nil, errNoProcess
	}
	ps.all[w] = struct{}{}
	ps.tell(report)
	return w, nil
}

// tell logs once how workers are locked up. Held: mu.
func (ps *processes) tell(r sandbox.Report) {
	if ps.told {
		return
	}
	ps.told = true
	e := ps.log.Debug()
	if !r.Seccomp && r.Landlock == 0 {
		e = ps.log.Warn()
	}
	e.Stringer("locked", r).Msg("pictures are made by worker processes")
}

// put takes a worker back, unless it is spent or has other limits than new ones.
func (ps *processes) put(w *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed || w.spent() || w.limits != ps.limits {
		delete(ps.all, w)
		w.end()
		return
	}
	w.since = time.Now()
	ps.idle = append(ps.idle, w)
	if ps.timer == nil {
		ps.timer = time.AfterFunc(processIdle, ps.tidy)
	}
}

// tidy ends the workers that waited long enough.
func (ps *processes) tidy() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.timer = nil
	keep := ps.idle[:0]
	for _, w := range ps.idle {
		if time.Since(w.since) >= processIdle-time.Second {
			delete(ps.all, w)
			w.end()
			continue
		}
		keep = append(keep, w)
	}
	clear(ps.idle[len(keep):])
	ps.idle = keep
	if len(keep) > 0 && !ps.closed {
		ps.timer = time.AfterFunc(processIdle-time.Since(keep[0].since), ps.tidy)
	}
}

// close ends all workers and waits until they are gone.
func (ps *processes) close() {
	ps.mu.Lock()
	ps.closed = true
	if ps.timer != nil {
		ps.timer.Stop()
	}
	for w := range ps.all {
		w.kill()
	}
	clear(ps.all)
	ps.idle = nil
	ps.mu.Unlock()
	ps.ended.Wait()
}

// A tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailLen = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.b) < tailLen { // a Go program says first what it dies of
		t.b = append(t.b, p[:min(len(p), tailLen-len(t.b))]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
