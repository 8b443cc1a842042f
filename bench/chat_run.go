package main

import (
	"context"
	"fmt"
	"time"
)

func chatTakes(b *bench) time.Duration {
	rounds, groups, duels := time.Duration(min(b.rounds, 3)), len(groupLoads(b.short)), len(duels(b.short))
	own := rounds*b.each*time.Duration(2*len(senderCounts)+2*groups) + time.Duration(groups)*time.Second
	return 5*time.Second + own + b.turns(2*duels) + time.Duration(duels)*time.Second
}

// runChat measures the chat over WebSockets: by itself, and beside prosody.
func runChat(ctx context.Context, b *bench, r *report) error {
	c, err := startChat(ctx, b)
	if err != nil {
		return err
	}
	defer c.stop()
	r.say("One fsync of 4 KiB took %.1f ms (median). The first two tables are of %s.", c.fsync.Seconds()*1e3, plural(c.rounds, "round"))
	if err := c.measureSends(ctx, r); err != nil {
		return fmt.Errorf("%w\nthe chat said:\n%s", err, c.log)
	}
	if err := c.measureDeliveries(ctx, r); err != nil {
		return fmt.Errorf("%w\nthe chat said:\n%s", err, c.log)
	}
	p, err := startProsody(ctx, b)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := duel(ctx, b, r, c, p); err != nil {
		return fmt.Errorf("%w\nthe chat said:\n%s\nprosody said:\n%s", err, c.log, p.log)
	}
	return nil
}
