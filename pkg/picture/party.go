package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// A page with six sizes of a picture asks for them at once. Jobs over the same
// source that wait for their turn make a party: when the first gets its turn it
// decodes once for all.

// maxParty bounds the jobs of one.
const maxParty = 32

type partyKey struct {
	source string
	rank   Priority
	heavy  bool // other workers
}

// A party is led by the first of its members, whose source is read and whose
// goroutine works.
type party struct {
	members []*member
}

// A member is a job that waits for another one's work.
type member struct {
	ctx   context.Context
	specs []Spec
	blur  bool

	made chan Variant // room for all
	hash string       // valid when end is closed, like err
	err  error
	end  chan struct{}
}

// errAlone: the party does without the member, who tries again.
var errAlone = errors.New("left alone")

// parties are those that wait.
type parties struct {
	mu  sync.Mutex
	all map[partyKey]*party
}

// join finds a party that waits, or founds one; then m is nil.
func (ps *parties) join(ctx context.Context, key partyKey, job Job) (own *party, m *member) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.all[key]; p != nil && len(p.members) < maxParty {
		m = &member{ctx: ctx, specs: job.Specs, blur: job.Blurhash, made: make(chan Variant, len(job.Specs)), end: make(chan struct{})}
		p.members = append(p.members, m)
		return nil, m
	}
	if ps.all == nil {
		ps.all = map[partyKey]*party{}
	}
	own = new(party)
	ps.all[key] = own
	return own, nil
}

// begin closes the party to others and returns who came.
func (ps *parties) begin(key partyKey, own *party) []*member {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.all[key] == own {
		delete(ps.all, key)
	}
	return own.members
}

// follow waits for what another one makes, and hands it on in the order of the
// job's specs.
func (p *Pool) follow(m *member, info Info, job Job) (Result, error) {
	res := Result{Info: info}
	made := map[Spec]Variant{}
	next := 0
	take := func(v Variant) error {
		made[v.Spec] = v
		for ; next < len(job.Specs); next++ {
			v, ok := made[job.Specs[next]]
			if !ok {
				return nil
			}
			v.Data = bytes.Clone(v.Data) // others have the same
			if job.Each == nil {
				res.Variants = append(res.Variants, v)
			} else if err := job.Each(v); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		select {
		case v := <-m.made:
			if err := take(v); err != nil {
				return Result{}, err
			}
		case <-m.end:
			for len(m.made) > 0 {
				if err := take(<-m.made); err != nil {
					return Result{}, err
				}
			}
			if m.err != nil {
				return Result{}, m.err
			}
			res.Blurhash = m.hash
			return res, nil
		case <-m.ctx.Done():
			return Result{}, m.ctx.Err()
		}
	}
}

// lead waits for the turn of its job and does it together with those that came
// meanwhile.
func (p *Pool) lead(ctx context.Context, src Source, info Info, job Job, key partyKey, own *party) (Result, error) {
	need := cost(info, src.Size(), job.Specs)
	t, err := p.admit(ctx, need, job.Priority)
	var with []*member
	if own != nil {
		with = p.parties.begin(key, own)
	}
	if err != nil {
		finish(with, "", forAll(err))
		return Result{}, err
	}
	defer p.leave(t)
	specs, with := p.gather(t, info, src.Size(), job, with)
	whole, stop := together(ctx, with)
	defer stop()
	most := p.o.Time
	if heavy(specs) {
		most *= 3 // the encoder of AVIF is compiled first, and nobody waits
	}
	work, cancel := context.WithTimeout(whole, most)
	defer cancel()
	res := Result{Info: info}
	hash, err := p.run(work, src, info, p.share(specs, job, with, &res))
	if err != nil && work.Err() != nil && whole.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: more than %v", ErrSlow, most)
	}
	finish(with, hash, forAll(err))
	if err != nil {
		return Result{}, err
	}
	if job.Blurhash {
		res.Blurhash = hash
	}
	return res, nil
}

// forAll is what an error of the leader means to its members: what is wrong with
// the picture, or with the moment, is so for all; what is wrong with the leader's
// disk or caller is not.
func forAll(err error) error {
	for _, e := range []error{nil, ErrBroken, ErrFormat, ErrTooLarge, ErrSlow, ErrBusy, ErrEncoder} {
		if errors.Is(err, e) {
			return err
		}
	}
	return errAlone
}

// gather returns the specs of all, and of the members those for whom there is
// memory; the others are sent back.
func (p *Pool) gather(t *turn, info Info, size int64, job Job, with []*member) (specs []Spec, stay []*member) {
	specs = slices.Clone(job.Specs)
	for _, m := range with {
		if m.ctx.Err() != nil {
			finish([]*member{m}, "", m.ctx.Err())
			continue
		}
		more := slices.Clone(specs)
		for _, s := range m.specs {
			if !slices.Contains(more, s) {
				more = append(more, s)
			}
		}
		if extra := cost(info, size, more) - t.need; extra > 0 && !p.queue.grow(t, extra) {
			finish([]*member{m}, "", errAlone)
			continue
		}
		specs, stay = more, append(stay, m)
	}
	return specs, stay
}

// share is the work that gives each variant to those who want it. The leader's
// specs come first. An error of its Each ends the work for all.
func (p *Pool) share(specs []Spec, job Job, with []*member, res *Result) work {
	k := work{specs: specs, blurhash: job.Blurhash}
	for _, m := range with {
		k.blurhash = k.blurhash || m.blur
	}
	n := 0
	k.each = func(v Variant) error {
		p.made.Add(1)
		for _, m := range with {
			if slices.Contains(m.specs, v.Spec) && !slices.Contains(specs[:n], v.Spec) {
				m.made <- v
			}
		}
		n++
		if n > len(job.Specs) {
			return nil
		}
		if job.Each != nil {
			return job.Each(v)
		}
		if len(with) > 0 {
			v.Data = bytes.Clone(v.Data)
		}
		res.Variants = append(res.Variants, v)
		return nil
	}
	return k
}

// finish tells members how it ended.
func finish(with []*member, hash string, err error) {
	for _, m := range with {
		m.err = err
		if m.blur {
			m.hash = hash
		}
		close(m.end)
	}
}

// together is ctx, but ends only when nobody is left who waits.
func together(ctx context.Context, with []*member) (out context.Context, stop func()) {
	if len(with) == 0 {
		return ctx, func() {}
	}
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var left atomic.Int64
	left.Store(int64(len(with)) + 1)
	gone := func() {
		if left.Add(-1) == 0 {
			cancel()
		}
	}
	stops := []func() bool{context.AfterFunc(ctx, gone)}
	for _, m := range with {
		stops = append(stops, context.AfterFunc(m.ctx, gone))
	}
	return out, func() {
		for _, s := range stops {
			s()
		}
		cancel()
	}
}
