package servicetest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/pkg/service"
)

// Env is a service.Env that remembers what was tracked and logged. Its folder
// does not exist yet, like the daemon's.
type Env struct {
	service.Env
	logs *buffer.Buffer

	mu      sync.Mutex
	tracked map[*tracked]struct{}
	total   int
	changed chan struct{} // closed and renewed with each change of tracked
}

type tracked struct {
	conn  net.Conn // nil where a handler holds it
	drain func(code int)
	once  sync.Once
}

// NewEnv makes an environment with a fresh folder.
func NewEnv(t testing.TB, kind, name string) *Env {
	t.Helper()
	return NewEnvAt(t, kind, name, filepath.Join(t.TempDir(), kind, name))
}

// NewEnvAt makes an environment with a given folder, for a service that comes
// after another.
func NewEnvAt(t testing.TB, kind, name, dir string) *Env {
	t.Helper()
	e := &Env{logs: &buffer.Buffer{}, tracked: map[*tracked]struct{}{}, changed: make(chan struct{})}
	e.Env = service.Env{
		Kind:  kind,
		Name:  name,
		Log:   zerolog.New(e.logs).Level(zerolog.DebugLevel).With().Str("service", kind+"."+name).Logger(),
		Dir:   dir,
		Track: e.track,
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", e.Label(), e.Logs())
		}
	})
	return e
}

func (e *Env) track(c net.Conn, drain func(code int)) (done func()) {
	tr := &tracked{conn: c, drain: drain}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tracked[tr] = struct{}{}
	e.total++
	e.notify()
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.tracked, tr)
		e.notify()
	}
}

func (e *Env) notify() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// Drain asks everything that is tracked to come to an end, as the daemon does:
// each drain once, in a goroutine of its own. 1001: the service was removed;
// 1012: the daemon stops.
func (e *Env) Drain(code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tr := range e.tracked {
		go tr.once.Do(func() { tr.drain(code) })
	}
}

// Tracked is how much is tracked now.
func (e *Env) Tracked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tracked)
}

// WaitTracked waits until at least n things have been tracked since the start.
func (e *Env) WaitTracked(n int, d time.Duration) error {
	return e.wait(d, func() error {
		if e.total < n {
			return fmt.Errorf("%d were tracked instead of %d", e.total, n)
		}
		return nil
	})
}

// WaitUntracked waits until everything that was tracked is done.
func (e *Env) WaitUntracked(d time.Duration) error {
	return e.wait(d, func() error {
		if n := len(e.tracked); n > 0 {
			return fmt.Errorf("%d tracked did not end", n)
		}
		return nil
	})
}

// wait calls ready under the lock after each change until it returns nil.
func (e *Env) wait(d time.Duration, ready func() error) error {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		e.mu.Lock()
		err, changed := ready(), e.changed
		e.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-late.C:
			return fmt.Errorf("after %v: %w", d, err)
		}
	}
}

// Logs is what was logged so far, one JSON object a line.
func (e *Env) Logs() string { return e.logs.String() }

// LoudLogs are the lines logged at warn level and above.
func (e *Env) LoudLogs() (loud []string) {
	sc := bufio.NewScanner(bytes.NewBufferString(e.Logs()))
	for sc.Scan() {
		var line struct {
			Level string `json:"level"`
		}
		if json.Unmarshal(sc.Bytes(), &line) != nil {
			continue
		}
		if l, err := zerolog.ParseLevel(line.Level); err == nil && l >= zerolog.WarnLevel {
			loud = append(loud, sc.Text())
		}
	}
	return loud
}
