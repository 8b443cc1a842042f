package picture

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/picture/jpegenc"
	"github.com/porticod/portico/pkg/picture/sandbox"
)

// RetryAfter is how long a caller that got ErrBusy should wait before it tries
// again.
const RetryAfter = 2 * time.Second

// Options of a Pool. The zero value has the defaults.
type Options struct {
	Memory  int64         // bytes that all pictures in work may take together; default 768 MiB; see SetMemory
	Workers int           // pictures in work at a time; default one per CPU
	Queue   int           // callers that may wait; default 256
	Wait    time.Duration // longest wait for a turn; default 10 s
	Time    time.Duration // longest work on one picture, on AVIF thrice as long; default 20 s
	Limits  Limits
	Codec   Codec // default jpegenc
}

const defaultMemory = 768 << 20

// A Pool makes pictures within a budget that all its callers share. All methods
// may be called from many goroutines. A Pool works in its own process unless
// UseProcesses was called, and needs Close only then; an idle one costs nothing.
type Pool struct {
	o       Options
	procs   *processes // nil: in this process
	heavy   *processes // likewise, for what is heavy
	queue   *queue
	memory  atomic.Int64 // what there is for all, in bytes
	parties parties
	running atomic.Int64
	made    atomic.Uint64
	refused atomic.Uint64
}

// NewPool fills the gaps in o with the defaults.
func NewPool(o Options) *Pool {
	o.Memory = or(o.Memory, defaultMemory)
	o.Workers = or(o.Workers, runtime.GOMAXPROCS(0))
	o.Queue = or(o.Queue, 256)
	if o.Wait <= 0 {
		o.Wait = 10 * time.Second
	}
	if o.Time <= 0 {
		o.Time = 20 * time.Second
	}
	if o.Codec == nil {
		o.Codec = new(jpegenc.Codec)
	}
	p := &Pool{o: o, queue: newQueue(o.Memory, o.Workers, o.Queue)}
	p.memory.Store(o.Memory)
	return p
}

// SetMemory changes Options.Memory. What is in work goes on.
func (p *Pool) SetMemory(bytes int64) {
	bytes = or(bytes, defaultMemory)
	if p.memory.Load() == bytes {
		return
	}
	if p.procs != nil { // first, so that no picture is let in that is too much for them
		p.procs.setMemory(bytes + processRoom)
		p.heavy.setMemory(bytes + processRoom)
	}
	p.queue.widen(bytes - p.memory.Swap(bytes))
}

// A Variant is a picture that was made.
type Variant struct {
	Spec          Spec // what was asked for
	Format        Format
	Width, Height int
	Data          []byte // the caller's
}

// A Job is what to make of one picture.
type Job struct {
	Specs    []Spec
	Blurhash bool
	// Each, if set, gets every variant as soon as it is made, in the order of
	// Specs and in Make's goroutine, and Result.Variants stays empty. Its error
	// ends the work and is returned as it is.
	Each func(Variant) error
	// Limits replaces those of the pool where it says something.
	Limits Limits
	// Priority says who goes before whom.
	Priority Priority
	// Key, if set, names the bytes of the source: two sources with one key are
	// the same. Jobs of one key that wait at the same time are done with one
	// decode, of the source of the one that came first: its Make returns when
	// all is done, even if its ctx ends before.
	Key string
}

// A Result is what became of a Job.
type Result struct {
	Info     Info
	Variants []Variant // in the order of Job.Specs
	Blurhash string    // empty unless asked for
}

// Make decodes src once and makes all of job of it. It waits for its share of
// the budget, at most as long as ctx lives and the pool allows (ErrBusy).
// The other errors are ErrFormat, ErrBroken, ErrTooLarge, ErrSlow, ctx's own, and
// those of the source.
func (p *Pool) Make(ctx context.Context, src Source, job Job) (Result, error) {
	info, err := p.Inspect(src, job.Limits)
	if err != nil {
		return Result{}, err
	}
	for _, s := range job.Specs {
		if err := s.check(); err != nil {
			return Result{}, err
		}
		if err := s.fits(info); err != nil {
			return Result{}, err
		}
	}
	if need := cost(info, src.Size(), job.Specs); need > p.memory.Load() {
		return Result{}, fmt.Errorf("%w: it takes about %d MiB to decode, %d are there for all", ErrTooLarge, need>>20, p.memory.Load()>>20)
	}
	key := partyKey{job.Key, job.Priority, heavy(job.Specs)}
	if job.Key == "" {
		return p.lead(ctx, src, info, job, key, nil)
	}
	own, m := p.parties.join(ctx, key, job)
	if m == nil {
		return p.lead(ctx, src, info, job, key, own)
	}
	if res, err := p.follow(m, info, job); !errors.Is(err, errAlone) {
		return res, err
	}
	return p.lead(ctx, src, info, job, key, nil)
}

// Ladder makes the picture in every width that is not more than its own, and in
// its own where a wider one is asked for, with a blurhash.
func (p *Pool) Ladder(ctx context.Context, src Source, widths ...int) (Result, error) {
	info, err := p.Inspect(src, Limits{})
	if err != nil {
		return Result{}, err
	}
	return p.Make(ctx, src, Job{Specs: LadderSpecs(info, widths...), Blurhash: true})
}

// LadderSpecs returns the specs that Ladder uses, smallest first.
func LadderSpecs(info Info, widths ...int) []Spec {
	var out []Spec
	for _, w := range slices.Sorted(slices.Values(widths)) {
		w = min(w, info.Width)
		if n := len(out); n == 0 || out[n-1].Width != w {
			out = append(out, Spec{Width: w})
		}
	}
	return out
}

// Inspect is the package's Inspect, and refuses what l, or the pool's limits
// where l says nothing, does not allow.
func (p *Pool) Inspect(src Source, l Limits) (Info, error) {
	l = Limits{
		Pixels: or(l.Pixels, p.o.Limits.Pixels),
		Bytes:  or(l.Bytes, p.o.Limits.Bytes),
		Frames: or(l.Frames, p.o.Limits.Frames),
		Scans:  or(l.Scans, p.o.Limits.Scans),
	}
	if size := src.Size(); size > l.bytes() {
		return Info{}, l.Check(Info{}, size) // before reading anything
	}
	info, err := Inspect(src)
	if err != nil {
		return Info{}, err
	}
	if err := l.Check(info, src.Size()); err != nil {
		return Info{}, err
	}
	if info.Format == JPEG && info.Progressive {
		if err := checkScans(src, info, l.scans()); err != nil {
			return Info{}, err
		}
	}
	return info, nil
}

// run does k in another process, or in this one where there is none.
func (p *Pool) run(ctx context.Context, src Source, info Info, k work) (hash string, err error) {
	procs := p.procs
	if heavy(k.specs) {
		procs = p.heavy
	}
	if procs != nil {
		hash, err = procs.do(ctx, src, info, k)
		if !errors.Is(err, errNoProcess) {
			return hash, err
		}
	}
	return k.do(ctx, p.o.Codec, src, info)
}

// UseProcesses has pictures decoded and encoded by other processes of this
// program, which can do nothing else and whose death costs one picture. They
// start when there is something to do and end when there is not. It is to be
// called before the first Make, by a program that calls Child first of all; then
// the pool has to be closed. Options.Codec is for this process alone: it is used
// where no other can be started, which log says once.
func (p *Pool) UseProcesses(log zerolog.Logger) {
	p.procs = newProcesses(log, sandbox.Limits{Memory: p.memory.Load() + processRoom, Nice: processNice})
	// AVIF has workers of its own, so that the others stay small: what it is made
	// with is compiled when the first one is made, and gone when they are idle.
	p.heavy = newProcesses(log, sandbox.Limits{Memory: p.memory.Load() + processRoom, Nice: heavyNice})
}

// Close ends the processes of UseProcesses, and with them what they work on.
func (p *Pool) Close() error {
	if p.procs != nil {
		p.procs.close()
		p.heavy.close()
	}
	return nil
}

// Stats is a snapshot of a Pool.
type Stats struct {
	Memory, Budget   int64  // bytes in use, bytes there are
	Running, Waiting int    // pictures in work, callers that wait
	Made, Refused    uint64 // variants made, callers sent away busy, ever
}

// Stats returns how the pool is doing.
func (p *Pool) Stats() Stats {
	free, waiting := p.queue.state()
	memory := p.memory.Load()
	return Stats{
		Memory: memory - free, Budget: memory,
		Running: int(p.running.Load()), Waiting: waiting,
		Made: p.made.Load(), Refused: p.refused.Load(),
	}
}
