package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// How often a program that starts is looked at.
const (
	firstLook  = 5 * time.Millisecond
	lastLook   = 250 * time.Millisecond
	acceptLook = 2 * time.Millisecond
)

// watch sees a child through: until it is ready, then for as long as it lives. It
// tells what it finds.
func (c *child) watch(tell func(event)) {
	if err := c.awaitReady(); err != nil {
		if c.life.Err() == nil {
			tell(event{child: c, what: notReady, err: err})
		}
		return
	}
	tell(event{child: c, what: ready})
	for failures := 0; ; {
		if !c.pause(c.settings.Load().Health.Interval) {
			return
		}
		err := c.look()
		switch {
		case c.life.Err() != nil:
			return
		case err == nil && failures > 0:
			failures = 0
			tell(event{child: c, what: well})
		case err == nil:
		default:
			failures++
			tell(event{child: c, what: unwell, err: err, failures: failures})
		}
	}
}

// awaitReady returns when the child is well for the first time, or with what is
// wrong when its time is up.
func (c *child) awaitReady() error {
	deadline := time.NewTimer(c.settings.Load().Health.StartTimeout)
	defer deadline.Stop()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		err := c.look()
		if err == nil {
			return nil
		}
		select {
		case <-c.life.Done():
			return err
		case <-deadline.C:
			return err
		case <-time.After(pause):
		}
	}
}

// pause reports whether the child still lives after d.
func (c *child) pause(d time.Duration) bool {
	select {
	case <-c.life.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// look is one check; nil: the child is well.
func (c *child) look() error {
	h := c.settings.Load().Health
	ctx, cancel := context.WithTimeout(c.life, h.Timeout)
	defer cancel()
	if h.Path != "" {
		return c.ask(ctx, h.Path)
	}
	conn, err := c.ep.dial(ctx)
	if err != nil {
		return fmt.Errorf("it does not listen: %w", err)
	}
	defer conn.Close()
	if !c.ep.lasting() {
		return nil
	}
	// The socket is portico's: that somebody could connect says nothing. That the
	// queue is empty, or shorter than a moment before, says that the program takes
	// what is in it.
	for last := 0; ; {
		n, err := unaccepted(c.ep.file)
		if err != nil || n == 0 || n < last {
			return err
		}
		last = n
		select {
		case <-ctx.Done():
			return errors.New("it does not accept connections")
		case <-time.After(acceptLook):
		}
	}
}

// ask makes a request.
func (c *child) ask(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	req.Header.Set("User-Agent", "portico-health")
	res, err := c.web.Load().RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 399 {
		return fmt.Errorf("%s says %s", path, res.Status)
	}
	return nil
}
