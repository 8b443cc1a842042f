package chat

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/steady/steadytest"
)

// TestClocksCutNobodyOff: when a session is asked whether it is there, and when
// it is given up, does not depend on the time of day.
func TestClocksCutNobodyOff(t *testing.T) {
	c, tr := newTestChat(t), &fakeTransport{}
	s := newSession(c, tr)
	connecting, begun := newSession(c, &fakeTransport{}), time.Now()
	s.connected, s.state = true, live
	tick := func(s *session, after, step time.Duration) time.Duration {
		return s.tick(steadytest.Step(begun.Add(after), step))
	}
	steps := []time.Duration{0, 5 * time.Minute, -5 * time.Minute, 56 * 365 * 24 * time.Hour}
	for _, step := range steps {
		if wait := tick(connecting, 3*time.Second, step); wait != time.Second {
			t.Errorf("step %v: a session that may connect is looked at in %v", step, wait)
		}
		if wait := tick(s, 10*time.Second, step); wait < 14*time.Second || wait > 16*time.Second {
			t.Errorf("step %v: a ping in %v, want 15 s", step, wait)
		}
	}
	if wait := tick(s, 26*time.Second, steps[2]); wait != pongTimeout {
		t.Errorf("a ping is to be answered in %v", wait)
	}
	for _, step := range steps {
		if wait := tick(s, 28*time.Second, step); wait != pongTimeout-2*time.Second {
			t.Errorf("step %v: an answer may take %v more", step, wait)
		}
	}
	if _, code := tr.written(); code != 0 || s.over() {
		t.Errorf("closed with %d", code)
	}
	if tick(s, 27*time.Second+pongTimeout, steps[2]) != 0 || !s.over() {
		t.Error("who does not answer is not closed")
	}
	if tick(connecting, 11*time.Second, steps[2]) != 0 || !connecting.over() {
		t.Error("who does not connect is not closed")
	}
}
