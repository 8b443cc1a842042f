package upstream

import (
	"context"
	"math/rand/v2"
	"time"
)

// startCheck begins to check u, at once. mu is held.
func (p *Pool) startCheck(u *Upstream, by Active) {
	if p.closed {
		return // nobody would wait for it
	}
	ctx, cancel := context.WithCancel(p.ctx)
	u.endCheck = cancel
	p.checks.Go(func() {
		defer cancel()
		for {
			err := checkOnce(ctx, u.Address, by)
			if ctx.Err() != nil || !p.checked(ctx, u, by, err) {
				return
			}
			// A tenth more or less keeps many checks from falling together.
			pause := time.NewTimer(by.Interval + time.Duration((rand.Float64()-0.5)*float64(by.Interval)/5))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
		}
	})
}

func (u *Upstream) stopCheck() {
	if u.endCheck != nil {
		u.endCheck()
		u.endCheck = nil
	}
}

func checkOnce(ctx context.Context, a Address, by Active) error {
	ctx, cancel := context.WithTimeout(ctx, by.Timeout)
	defer cancel()
	return by.Check(ctx, a)
}

// checked takes the result of a check; false: the check was ended meanwhile.
func (p *Pool) checked(ctx context.Context, u *Upstream, by Active, err error) bool {
	p.mu.Lock()
	defer p.unlock()
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		u.streak = max(u.streak, 0) + 1
	} else {
		u.streak = min(u.streak, 0) - 1
	}
	switch {
	case (u.failing || u.broken && !time.Now().Before(u.until)) && u.streak >= by.Rise:
		// The checks are thorough: what its use had shown before is history.
		p.change(u, nil, func() { u.failing, u.broken, u.fails = false, false, 0 })
	case !u.failing && -u.streak >= by.Fall:
		p.change(u, err, func() { u.failing = true })
	}
	return true
}
