package picture

import "slices"

// Victim is the process id of a worker that works, 0 where none does.
func (p *Pool) Victim() int {
	p.procs.mu.Lock()
	defer p.procs.mu.Unlock()
	for w := range p.procs.all {
		if !slices.Contains(p.procs.idle, w) {
			return w.pid()
		}
	}
	return 0
}

// Waiting is the process ids of the workers that wait for a picture.
func (p *Pool) Waiting() (pids []int) { return p.procs.waiting() }

// WaitingHeavy is those for AVIF.
func (p *Pool) WaitingHeavy() (pids []int) { return p.heavy.waiting() }

func (ps *processes) waiting() (pids []int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, w := range ps.idle {
		pids = append(pids, w.pid())
	}
	return pids
}

// Tidy ends the workers that wait, as time does.
func (p *Pool) Tidy() {
	p.procs.mu.Lock()
	for _, w := range p.procs.idle {
		w.since = w.since.Add(-2 * processIdle)
	}
	p.procs.mu.Unlock()
	p.procs.tidy()
}

// Workers is how many workers there are.
func (p *Pool) Workers() int {
	p.procs.mu.Lock()
	defer p.procs.mu.Unlock()
	return len(p.procs.all)
}
