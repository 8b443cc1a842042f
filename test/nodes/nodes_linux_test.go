// Package nodes tries several porticos that are one: each is a program on a machine
// with a network of its own, beside a PostgreSQL with a standby, a NATS and a
// bucket. People use them while one thing after another breaks. It needs root.
package nodes

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/netns"
)

var (
	times = flag.Int("nodes", 0, "how often each fault comes; 0: the short form")
	page  = flag.String("page", "", "a file to write the table of the long form into")
)

func TestMain(m *testing.M) { os.Exit(netns.Main(m)) }

// A size is how much is tried.
type size struct {
	times  int           // of each fault
	people int           // who write to each other, in pairs
	pace   time.Duration // between two messages of a device
	hold   time.Duration // how long a fault lasts, at least
	back   time.Duration // clients have to be back by then; 0: by the patience of the test
}

var (
	short = size{times: 1, people: 6, pace: 150 * time.Millisecond, hold: 2 * time.Second}
	// Back in two seconds, and one that a client may lose at a node of which it does
	// not know yet that it is away.
	long = size{people: 12, pace: 100 * time.Millisecond, hold: 5 * time.Second, back: 2 * time.Second}
)

// TestNodes breaks one thing after another under load. What was acknowledged has to
// be there in the end, once; errors have to be temporary; and what broke has to come
// back by itself.
func TestNodes(t *testing.T) {
	s := short
	if *times > 0 {
		s = long
		s.times = *times
	}
	load, begun := loadOfOthers(t), time.Now()
	c := newCluster(t)
	l := c.newLoad(s)
	t.Logf("everything runs after %v", time.Since(begun))
	t.Run("limits hold over nodes", l.guess)
	var found []finding
	for _, f := range faults {
		if f.long && *times == 0 {
			continue
		}
		if !t.Run(f.name, func(t *testing.T) { found = append(found, f.happen(t, l, s)) }) {
			return // the rest would say the same
		}
	}
	l.end(t)
	t.Logf("everybody has gone after %v", time.Since(begun))
	sum := l.check(t)
	t.Logf("%+v after %v", sum, time.Since(begun))
	c.checkWork(t)
	t.Logf("no work is left after %v", time.Since(begun))
	for _, f := range found {
		f.judge(t, s)
	}
	if *page != "" {
		writeTable(t, found, sum, load)
	}
}
