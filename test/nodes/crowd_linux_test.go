package nodes

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// A crowd is people who write to each other in pairs over WebSockets. Each has
// devices at different nodes, which go to the next node where one does not answer.
type crowd struct {
	c       *cluster
	pace    time.Duration
	people  []*person
	devices []*device
	resting atomic.Bool // nobody writes anything new
	quit    chan struct{}
	work    sync.WaitGroup

	mu     sync.Mutex // guards the rest
	acked  int        // messages
	backs  []time.Duration
	untold int      // connections that a node ended without close code 1012
	faults []string // broken promises, the first few
}

// A person has a token and one conversation.
type person struct {
	name, token, conv string

	mu    sync.Mutex
	acked map[string]int64 // seq by cid, of what this person sent; guarded by mu
}

// devicesEach is how many devices a person has. The last only reads.
const devicesEach = 3

// newCrowd makes people, over all nodes, and connects them.
func newCrowd(c *cluster, s size) *crowd {
	c.t.Helper()
	w := &crowd{c: c, pace: s.pace, quit: make(chan struct{})}
	for i := range s.people {
		p := &person{name: fmt.Sprintf("person%d", i), acked: map[string]int64{}}
		var got struct{ Token string }
		must(c.t, call(http.MethodPost, c.nodes[i%nodeCount].chat+"/v1/accounts", "", credentials(p.name), &got))
		p.token = got.Token
		w.people = append(w.people, p)
	}
	for i, p := range w.people {
		var got struct{ ID string }
		must(c.t, call(http.MethodPost, c.nodes[(i+1)%nodeCount].chat+"/v1/conversations", p.token,
			map[string]string{"kind": "direct", "with": w.people[i^1].name}, &got))
		p.conv = got.ID
		for k := range devicesEach {
			d := &device{crowd: w, person: p, name: fmt.Sprint(p.name, "-", k), at: i + k, home: (i + k) % nodeCount, quiet: k == devicesEach-1}
			w.devices = append(w.devices, d)
			w.work.Go(d.run)
		}
	}
	wait.Until(c.t, "everybody is connected", func() bool { return w.missing() == 0 })
	return w
}

func credentials(name string) map[string]string {
	return map[string]string{"username": name, "password": "correct horse " + name}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leave ends everybody's connection, when all have what the others wrote.
func (w *crowd) leave(t *testing.T) {
	t.Helper()
	w.resting.Store(true)
	for i, d := range w.devices {
		other := w.devices[(i/devicesEach^1)*devicesEach] // of the one whom it writes to
		wait.Right(t, func() string {
			seq, rests := d.lastSeen()
			if last, _ := other.lastSeen(); !rests || seq != last {
				return fmt.Sprintf("%s is at %d, the other device at %d", d.name, seq, last)
			}
			return ""
		})
	}
	close(w.quit)
	w.work.Wait()
}

func (w *crowd) left() bool {
	select {
	case <-w.quit:
		return true
	default:
		return false
	}
}

// pause waits, and is false when everybody leaves.
func (w *crowd) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-w.quit:
		return false
	}
}

func (w *crowd) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.faults) < 10 {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

// missing counts the devices that are not connected.
func (w *crowd) missing() (n int) {
	for _, d := range w.devices {
		if !d.online() {
			n++
		}
	}
	return n
}

// spread brings all devices to nodes of their own, as a balancer would in time.
func (w *crowd) spread(t *testing.T) {
	t.Helper()
	for _, d := range w.devices {
		wait.Until(t, d.name+" is at its node", d.goHome)
	}
}

// with is how many devices are at a node, of those that write or of all.
func (w *crowd) with(n *node, all bool) (count int) {
	for _, d := range w.devices {
		if d.node() == n && (all || !d.quiet) {
			count++
		}
	}
	return count
}

// A crowdTally is what happened to a crowd since the last.
type crowdTally struct {
	acked int
	backs []time.Duration // from the end of a connection until the next had all that was missed
	waits []time.Duration // of each device, the longest until a message was acknowledged
}

func (w *crowd) take() crowdTally {
	w.mu.Lock()
	t := crowdTally{acked: w.acked, backs: w.backs}
	w.acked, w.backs, w.untold = 0, nil, 0
	w.mu.Unlock()
	for _, d := range w.devices {
		t.waits = append(t.waits, d.takeWait())
	}
	return t
}

// acks is how many messages were acknowledged since the last take.
func (w *crowd) acks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

// notTold is how many connections ended without a word since the last take.
func (w *crowd) notTold() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.untold
}

// check says what is wrong with what is stored, as every node has it: each message
// that was acknowledged is there once, where it was said to be, and everybody saw
// all of them. It returns how many were acknowledged, and how many are not there.
func (w *crowd) check(t *testing.T) (acked, lost int) {
	t.Helper()
	for i, p := range w.people {
		stored := map[string]int64{}
		for _, n := range w.c.nodes {
			got, last := history(t, n, p)
			if len(stored) > 0 && len(got) != len(stored) {
				t.Errorf("%s has %d messages of %s, another node %d", n.Name, len(got), p.conv, len(stored))
			}
			stored = got
			w.caughtUp(t, i, last)
		}
		for cid, seq := range p.acked {
			acked++
			if stored[cid] != seq {
				lost++
				t.Errorf("%s was acknowledged as %d and is stored as %d", cid, seq, stored[cid])
			}
		}
	}
	for _, f := range w.faults {
		t.Error(f)
	}
	return acked, lost
}

// caughtUp fails where a device of a person did not see all events up to the last
// of the conversation. Devices fail by themselves where one is missing between two.
func (w *crowd) caughtUp(t *testing.T, i int, last int64) {
	t.Helper()
	for _, d := range w.devices[i*devicesEach : (i+1)*devicesEach] {
		if seen, _ := d.lastSeen(); seen != last {
			t.Errorf("%s saw events up to %d of %d", d.name, seen, last)
		}
	}
}

// history is what a node has of a person's conversation: the seq of each message by
// cid, and the last.
func history(t *testing.T, n *node, p *person) (stored map[string]int64, last int64) {
	t.Helper()
	stored = map[string]int64{}
	for more := true; more; {
		var page struct {
			Messages []struct {
				CID string
				Seq int64
			}
			More bool
		}
		must(t, call(http.MethodGet, fmt.Sprintf("%s/v1/conversations/%s/messages?after=%d&limit=200", n.chat, p.conv, last), p.token, nil, &page))
		for _, m := range page.Messages {
			if m.Seq != last+1 {
				t.Errorf("%s: %d comes after %d", p.conv, m.Seq, last)
			}
			if stored[m.CID] != 0 {
				t.Errorf("%s: %s is there twice, as %d and %d", p.conv, m.CID, stored[m.CID], m.Seq)
			}
			last, stored[m.CID] = m.Seq, m.Seq
		}
		more = page.More
	}
	return stored, last
}
