package daemon

import "context"

// guardMemory has the daemon take on nothing new while it holds more than limit
// bytes; 0 means no limit.
func (d *Daemon) guardMemory(limit int64) {
	d.memory.SetLimit(limit)
	if limit == 0 || d.unguard != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.memory.Watch(ctx, d.memoryTurned)
	}()
	d.unguard = func() {
		cancel()
		<-done
	}
}

// memoryTurned is told when the limit was reached, and when there is room again.
func (d *Daemon) memoryTurned(full bool, used int64) {
	d.budget.SetFull(full)
	e := d.log.Info()
	if full {
		e = d.log.Error()
	}
	e = e.Int64("used_bytes", used).Int64("limit_bytes", d.memory.Limit())
	if full {
		e.Msg("the limit of memory is reached: new connections are closed, requests get 503")
	} else {
		e.Msg("there is memory again")
	}
}
