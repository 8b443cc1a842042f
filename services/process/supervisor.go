package process

import (
	"fmt"
	"sync"
	"time"
)

// What a child is found to be.
const (
	ready    = "ready"    // for the first time
	notReady = "notReady" // in its time; it still runs
	unwell   = "unwell"   // after it was ready
	well     = "well"     // again
	ended    = "ended"
)

// An event is something that a child's own goroutines tell the supervisor.
type event struct {
	child    *child
	what     string
	err      error // of notReady and unwell
	failures int   // of unwell, in a row
}

// watchEvery is how often files are looked at with restart { watch = true }.
const watchEvery = time.Second

// A supervisor is the goroutine that decides what runs. Nobody else touches its
// fields. It never waits for a child while it runs: what takes time happens in
// goroutines of their own and comes back as an event.
type supervisor struct {
	*Service
	out    *output
	wanted *Config
	cur    *child    // serves, or served a moment ago; nil: none does
	next   *child    // starts, and is to serve when it is ready
	spare  *endpoint // of a child that ended, for the next one
	spareC *Config   // that it was made for
	bare   bool      // ports are not held: the program does not set SO_REUSEADDR

	failures int         // ends and failed starts in a row
	starts   *time.Timer // the next start
	again    bool        // the next start is because of an end, not of a change

	print, seen string // of the files at the last start, and at the last look

	ending sync.WaitGroup // children that are brought to their end
}

func newSupervisor(s *Service, cfg Config) *supervisor {
	v := &supervisor{Service: s, wanted: &cfg, out: &output{dropped: s.metrics.lines}, starts: time.NewTimer(0)}
	v.out.setRate(cfg.LogRate)
	return v
}

func (v *supervisor) run() {
	defer close(v.stopped)
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	for {
		select {
		case u := <-v.updates:
			v.update(&u.cfg)
			close(u.done)
		case e := <-v.events:
			v.handle(e)
		case <-v.starts.C:
			v.start()
		case <-watch.C:
			v.lookAtFiles()
		case <-v.quit:
			v.shutdown()
			return
		}
	}
}

// tell is how children's goroutines reach the supervisor.
func (v *supervisor) tell(e event) {
	select {
	case v.events <- e:
	case <-v.quit:
	}
}

// needed reports whether what runs is not what should.
func (v *supervisor) needed() bool {
	return v.next == nil && (v.cur == nil || v.cur.outdated || !sameProgram(v.cur.cfg, v.wanted))
}

// plan starts a child after pause, if one is needed.
func (v *supervisor) plan(pause time.Duration) {
	if v.needed() {
		v.starts.Reset(pause)
	} else {
		v.starts.Stop()
	}
}

// backOff is the pause before the next start; it grows each time.
func (v *supervisor) backOff() time.Duration {
	pause := v.wanted.Restart.Delay
	for range v.failures {
		if pause = 2 * pause; pause >= v.wanted.Restart.MaxDelay {
			pause = v.wanted.Restart.MaxDelay
			break
		}
	}
	v.failures++
	v.again = true
	return pause
}

func (v *supervisor) update(cfg *Config) {
	old := v.wanted
	v.wanted = cfg
	v.cfg.Store(cfg)
	v.gate.configure(cfg.Queue)
	if old.LogRate != cfg.LogRate {
		v.out.setRate(cfg.LogRate)
	}
	for _, c := range []*child{v.cur, v.next} {
		if c != nil && sameProgram(c.cfg, cfg) {
			c.adopt(cfg)
		}
	}
	if v.next != nil && !sameProgram(v.next.cfg, cfg) {
		v.discard(v.next)
		v.next = nil
	}
	if !sameProgram(old, cfg) {
		v.failures, v.again = 0, false
		v.plan(0)
		if !v.needed() && v.next == nil {
			v.setTrouble(nil) // what had gone wrong is not wanted any more
		}
	}
}

// start starts a child beside the one that serves, if there is one.
func (v *supervisor) start() {
	if !v.needed() {
		return
	}
	if v.again {
		v.metrics.restarts.Inc()
	}
	v.print = v.fingerprint()
	v.seen = v.print
	ep, err := v.endpoint()
	if err != nil {
		v.failed(err)
		return
	}
	c, err := spawn(v.wanted, ep, v.env.Log, v.out, func(c *child) {
		v.gate.withdraw(c)
		go v.tell(event{child: c, what: ended})
	})
	if err != nil {
		ep.close()
		v.failed(err)
		return
	}
	c.log.Info().Str("address", ep.address).Msg("the program was started")
	v.next = c
	go c.watch(v.tell)
}

// endpoint is a new one, or the one that an ended child of the same program left.
func (v *supervisor) endpoint() (*endpoint, error) {
	ep := v.spare
	v.spare = nil
	if ep != nil && sameProgram(v.spareC, v.wanted) {
		return ep, nil
	}
	ep.close()
	return newEndpoint(v.wanted, !v.bare)
}

// recycle keeps the endpoint of a child that ended by itself, if it lasts.
func (v *supervisor) recycle(c *child) {
	if !c.ep.lasting() || v.spare != nil {
		c.ep.close()
		return
	}
	v.spare, v.spareC = c.ep, c.cfg
}

func (v *supervisor) handle(e event) {
	c := e.child
	if c != v.cur && c != v.next {
		return // it is on its way out
	}
	switch e.what {
	case ready:
		v.promote(c)
	case notReady:
		v.next = nil
		v.discard(c)
		v.failed(fmt.Errorf("it was not ready %v after its start: %w", c.settings.Load().Health.StartTimeout, e.err))
	case unwell:
		v.unwell(c, e)
	case well:
		c.log.Info().Msg("the program is well again")
		if !c.outdated {
			v.metrics.up.Set(1)
			v.setTrouble(nil)
		}
	case ended:
		v.ended(c)
	}
}

// promote makes a child that is ready the one that serves.
func (v *supervisor) promote(c *child) {
	old := v.cur
	v.cur, v.next = c, nil
	v.metrics.ready(c)
	v.setTrouble(nil) // first: who got an answer is told that all is well
	v.gate.serve(c)
	c.log.Info().Dur("took_ms", time.Since(c.started)).Msg("the program is ready")
	if old != nil {
		v.metrics.replaced.Inc()
		v.replace(old)
	}
	v.again = false
	v.plan(0)
}

// failed notes a start that did not succeed. What served goes on.
func (v *supervisor) failed(err error) {
	v.metrics.failed.Inc()
	pause := v.backOff()
	if v.cur != nil {
		err = fmt.Errorf("the program could not be replaced, the one from before goes on: %w", err)
	} else {
		err = fmt.Errorf("the program does not run: %w", err)
	}
	v.env.Log.Error().Err(err).Dur("next_start_ms", pause).Msg("the program could not be started")
	v.setTrouble(err)
	v.plan(pause)
}

// unwell replaces a child that has failed too many checks. It goes on to serve
// until another one is ready: it may be better than nothing.
func (v *supervisor) unwell(c *child, e event) {
	if c.outdated {
		return // which was said
	}
	c.log.Warn().Err(e.err).Int("failures", e.failures).Msg("the program failed a health check")
	if e.failures < c.settings.Load().Health.Failures {
		return
	}
	c.outdated = true
	v.metrics.up.Set(0)
	v.setTrouble(fmt.Errorf("the program is not well and is being replaced: %w", e.err))
	v.forgive(c)
	v.plan(v.backOff())
}

// forgive begins the pauses anew after a child that ran for long enough.
func (v *supervisor) forgive(c *child) {
	if time.Since(c.started) >= v.wanted.Restart.Reset {
		v.failures = 0
	}
}

// ended takes note of the end of a child that was not asked to end.
func (v *supervisor) ended(c *child) {
	v.recycle(c)
	v.ending.Go(func() { <-c.ended }) // its last words may still be read
	if c == v.next {
		v.next = nil
		if c.cfg.Pass == passPort {
			v.bare = !v.bare // the port may be why
		}
		v.failed(fmt.Errorf("%v before it was ready", c.exit))
		return
	}
	v.cur = nil
	v.gate.withdraw(c)
	v.metrics.up.Set(0)
	v.forgive(c)
	c.log.Warn().Stringer("end", c.exit).Dur("ran_ms", c.exit.ran).Msg("the program ended")
	v.setTrouble(fmt.Errorf("the program ended: %v", c.exit))
	if v.next == nil {
		v.plan(v.backOff())
	}
}

// replace brings a child to its end that gets no new requests any more.
func (v *supervisor) replace(c *child) {
	drain := v.wanted.Drain
	v.ending.Go(func() {
		v.gate.endStreams(c)
		late := time.NewTimer(drain)
		defer late.Stop()
		select {
		case <-v.gate.idle(c):
		case <-late.C:
			c.log.Warn().Msg("the drain time is over; the replaced program is stopped with requests in progress")
		case <-c.ended:
		case <-v.quit:
		}
		if c.stop() {
			c.log.Info().Stringer("end", c.exit).Msg("the replaced program ended")
		}
		c.ep.close()
	})
}

// discard ends a child that never served.
func (v *supervisor) discard(c *child) {
	v.ending.Go(func() {
		_ = c.stop()
		c.ep.close()
	})
}

// fingerprint is of the files to watch; empty where they are not.
func (v *supervisor) fingerprint() string {
	if !v.wanted.Restart.Watch {
		return ""
	}
	return v.wanted.fingerprint()
}

// lookAtFiles replaces the program when its files have changed and stay so:
// who writes them may need a moment.
func (v *supervisor) lookAtFiles() {
	now := v.fingerprint()
	if v.print == "" {
		v.print = now // watching has just begun
	}
	changed := now != v.print && now == v.seen && now != ""
	if v.seen = now; !changed {
		return
	}
	v.env.Log.Info().Msg("the program's files changed; it is replaced")
	v.print, v.failures, v.again = now, 0, false
	if v.next != nil {
		v.discard(v.next)
		v.next = nil
	}
	if v.cur != nil {
		v.cur.outdated = true
	}
	v.plan(0)
}

// shutdown ends everything and waits for it.
func (v *supervisor) shutdown() {
	v.gate.close()
	for _, c := range []*child{v.cur, v.next} {
		if c != nil {
			v.discard(c)
		}
	}
	v.ending.Wait()
	v.spare.close()
	v.metrics.up.Set(0)
}
