package tlsconf

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/steady/steadytest"
)

const day = 24 * time.Hour

// TestSelfSignedAndClocks: which certificates are kept at which time, and what
// is made while the clock is wrong.
func TestSelfSignedAndClocks(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		made, at time.Time
		kept     bool
	}{
		{now, now, true},
		{now, now.Add(-30 * time.Minute), true},
		{now, now.Add(-2 * day), false},
		{now, now.Add(300 * day), true},
		{now, now.Add(validity - renewal + day), false},
		{now.AddDate(12, 0, 0), now, false}, // by a clock that was ahead
		{now, time.Unix(2, 0), true},        // people have trusted it
		{time.Unix(1, 0), time.Unix(2, 0), true},
		{time.Unix(1, 0), now, true}, // is good when the clock is right
		{time.Unix(1, 0), now.AddDate(1, 0, 0), false},
	} {
		b, err := generate([]string{"localhost"}, c.made)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(b, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := inTime(pair.Leaf, c.at); got != c.kept {
			t.Errorf("made at %v, kept at %v: %v", c.made, c.at, got)
		}
	}
}

// TestSelfSignedIsRenewed while it is in use.
func TestSelfSignedIsRenewed(t *testing.T) {
	k := NewKeeper(t.TempDir(), zerolog.Nop())
	s, err := k.Load(Options{SelfSigned: true})
	if err != nil {
		t.Fatal(err)
	}
	first := s.self.Load()
	now := time.Now()
	if k.renew(s, now); s.self.Load() != first {
		t.Error("a good one is renewed")
	}
	b, err := generate([]string{"localhost"}, now.Add(12*365*day))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "self-signed.pem"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	ahead, err := tls.X509KeyPair(b, b)
	if err != nil {
		t.Fatal(err)
	}
	s.self.Store(&ahead)
	k.renew(s, now)
	if leaf := s.self.Load().Leaf; !inTime(leaf, now) {
		t.Errorf("one that is good from %v serves at %v", leaf.NotBefore, now)
	}
	if info := s.Certificates(); len(info) != 1 || info[0].NotAfter.Sub(now) > validity+time.Minute {
		t.Errorf("%+v", info)
	}
}

// TestStaplesAndClocks: the CA is asked in time, whatever the clock showed when
// it was asked last.
func TestStaplesAndClocks(t *testing.T) {
	now := time.Now()
	wall := now.Round(0)
	for name, c := range map[string]struct {
		now  time.Time
		want time.Duration
	}{
		"right":  {now, 2 * day},
		"1970":   {time.Unix(1, 0), 3 * day},
		"behind": {wall.Add(-5 * 365 * day), 3 * day},
		"ahead":  {wall.Add(30 * day), stapleRetry},
	} {
		if got := askAfter(c.now, wall.Add(-2*day), wall.Add(4*day)); got != c.want {
			t.Errorf("%s: asked again in %v, want %v", name, got, c.want)
		}
	}
	s := staple{ask: now.Add(2 * day), expires: wall.Add(4 * day)}
	for step, want := range map[time.Duration]bool{0: false, -day: false, 3 * day: false, 5 * day: true} {
		if got := s.due(steadytest.Step(now.Add(time.Minute), step)); got != want {
			t.Errorf("due after a step of %v: %v", step, got)
		}
	}
}

// TestTicketKeysAndClocks: a clock that is set while the process runs makes no
// keys, and forgets none.
func TestTicketKeysAndClocks(t *testing.T) {
	keys := ticketKeys{file: filepath.Join(t.TempDir(), "secrets", "tls-tickets")}
	now := time.Now()
	rotate := func(after, step time.Duration) int {
		t.Helper()
		if err := keys.rotate(steadytest.Step(now.Add(after), step)); err != nil {
			t.Fatal(err)
		}
		return len(keys.list)
	}
	for i, step := range []time.Duration{0, 30 * day, -day, -12 * 365 * day} {
		if n := rotate(time.Duration(i)*time.Hour, step); n != 1 {
			t.Errorf("%d keys after a step of %v", n, step)
		}
	}
	if n := rotate(25*time.Hour, -day); n != 2 {
		t.Errorf("%d keys a day later", n)
	}
}
