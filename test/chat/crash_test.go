package chat

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// killsVariable asks for more kills than fit into make test: 200 is the long form.
const killsVariable = "PORTICO_TEST_CHAT_KILLS"

// A scene is a chat that is killed again and again, and what its writers know.
type scene struct {
	t    *testing.T
	stop chan struct{} // closed when nobody begins anything new

	mu       sync.Mutex
	base     string           // where the chat is
	acked    map[string]int64 // conversation and cid: seq
	acks     int
	dups     int // acknowledged only when sent once more
	failures int
}

// TestCrash writes and reads over WebSocket and HTTP while the server is killed
// with SIGKILL and started again on the same data.
func TestCrash(t *testing.T) {
	kills := 5
	if s := os.Getenv(killsVariable); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", killsVariable, err)
		}
	}
	bin := program.Shipped(t)
	d := testkit.StartBinary(t, bin, config)
	s := &scene{t: t, stop: make(chan struct{}), base: d.URL("chat"), acked: map[string]int64{}}
	people := map[string]*user{}
	for _, name := range []string{"ann", "bob", "cid", "dan"} {
		people[name] = signUp(t, s.base, name)
	}
	ann, bob, cid, dan := people["ann"], people["bob"], people["cid"], people["dan"]
	readers := []*reader{
		newReader(s, ann, "WebSocket", (*reader).socket), newReader(s, bob, "events", (*reader).stream),
		newReader(s, cid, "long poll", (*reader).poll), newReader(s, dan, "WebSocket", (*reader).socket),
		newReader(s, bob, "WebSocket", (*reader).socket),
	}
	convs := []*conversation{direct(s, ann, bob), direct(s, cid, dan), direct(s, ann, cid), group(s, "all", ann, bob, cid, dan)}
	mixed := group(s, "mixed", ann, bob, cid, dan)
	changers := []*changer{newChanger(s, ann, mixed.id, dan), newChanger(s, bob, mixed.id, nil), newChanger(s, cid, mixed.id, nil)}
	changers[1].overSocket = true

	ctx, cancel := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	for _, r := range readers {
		reading.Go(func() { r.run(ctx) })
	}
	t.Cleanup(reading.Wait)
	t.Cleanup(cancel) // before the wait
	for _, c := range convs {
		for i, u := range c.people {
			w := &writer{s: s, u: u, conv: c.id, name: fmt.Sprintf("%s-%s-%d", c.id, u.name, i)}
			if i%2 == 0 {
				writing.Go(w.socket)
			} else {
				writing.Go(w.post)
			}
		}
	}
	for _, c := range changers {
		writing.Go(c.run)
	}
	for i := range kills {
		s.letWrite(1 + rand.IntN(80))
		d.Kill()
		d = testkit.RestartBinary(t, d, bin)
		s.moved(d.URL("chat"))
		if t.Failed() {
			t.Fatalf("after %d kills", i+1)
		}
	}
	s.letWrite(50)
	s.letChange(changers)
	close(s.stop)
	writing.Wait()
	s.judge(convs, readers, kills)
	s.judgeChanges(mixed, changers, readers)
}

// letWrite waits for some acknowledgements, or a moment: sometimes a server dies
// before it did anything.
func (s *scene) letWrite(n int) {
	s.mu.Lock()
	goal := s.acks + n
	s.mu.Unlock()
	for end := time.Now().Add(time.Duration(100+rand.IntN(900)) * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		enough := s.acks >= goal
		s.mu.Unlock()
		if enough {
			return
		}
	}
}

func (s *scene) moved(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = base
}

// at is where the server is or was; a moment passes, so that nobody storms one
// that is down.
func (s *scene) at() string {
	time.Sleep(2 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

func (s *scene) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// wrong reports what must not be; the first few times.
func (s *scene) wrong(format string, args ...any) {
	s.mu.Lock()
	s.failures++
	loud := s.failures <= 10
	s.mu.Unlock()
	if loud {
		s.t.Errorf(format, args...)
	} else {
		s.t.Fail()
	}
}

// ack notes an acknowledgement.
func (s *scene) ack(conv, cid string, seq int64, dup bool) {
	s.mu.Lock()
	before, twice := s.acked[conv+" "+cid]
	s.acked[conv+" "+cid] = seq
	s.acks++
	if dup {
		s.dups++
	}
	s.mu.Unlock()
	if twice && before != seq {
		s.wrong("%s was acknowledged with seq %d and with %d", cid, before, seq)
	}
}

// A conversation and who is in it.
type conversation struct {
	id     string
	people []*user
}

func direct(s *scene, a, b *user) *conversation {
	s.t.Helper()
	var c struct{ ID string }
	a.must(s.t, "POST", s.base+"/v1/conversations", map[string]string{"kind": "direct", "with": b.name}, &c)
	return &conversation{c.ID, []*user{a, b}}
}

func group(s *scene, cid string, people ...*user) *conversation {
	s.t.Helper()
	names := make([]string, 0, len(people)-1)
	for _, p := range people[1:] {
		names = append(names, p.name)
	}
	var c struct{ ID string }
	people[0].must(s.t, "POST", s.base+"/v1/conversations",
		map[string]any{"kind": "group", "cid": cid, "title": "All", "members": names}, &c)
	return &conversation{c.ID, people}
}

// judge compares what was acknowledged, what is stored and what was read.
func (s *scene) judge(convs []*conversation, readers []*reader, kills int) {
	t, stored, events := s.t, 0, 0
	t.Helper()
	for _, c := range convs {
		history := s.history(c)
		stored += len(history)
		seen := map[string]int64{}
		for i, m := range history {
			if seen[m.CID] != 0 {
				s.wrong("%s is stored twice", m.CID)
			}
			seen[m.CID] = m.Seq
			if m.Seq != int64(i+1) {
				s.wrong("%s: seq %d is at the place of %d", c.id, m.Seq, i+1)
			}
		}
		for key, seq := range s.acked {
			if conv, cid, _ := strings.Cut(key, " "); conv == c.id && seen[cid] != seq {
				s.wrong("%s was acknowledged with seq %d and is stored with %d", cid, seq, seen[cid])
			}
		}
		for _, r := range readers {
			if !r.in(c) {
				continue
			}
			got := r.all(c.id, history[len(history)-1].Seq)
			events += len(got)
			for i := range min(len(got), len(history)) {
				if got[i].CID != history[i].CID || got[i].Seq != history[i].Seq || got[i].Text != history[i].Text {
					s.wrong("%s read %+v where %+v is stored", r, got[i], history[i])
					break
				}
			}
			if len(got) != len(history) {
				s.wrong("%s read %d messages of %d", r, len(got), len(history))
			}
		}
	}
	resumes := 0
	for _, r := range readers {
		resumes += r.resumes
	}
	t.Logf("%d kills: %d messages acknowledged (%d of them after they were sent again), %d stored, %d read by %d readers who resumed %d times",
		kills, len(s.acked), s.dups, stored, events, len(readers), resumes)
	if len(s.acked) == 0 || resumes < kills {
		t.Error("that was no test")
	}
}

// history reads a conversation from its beginning.
func (s *scene) history(c *conversation) []event {
	s.t.Helper()
	var all []event
	for after := int64(0); ; {
		var page struct {
			Messages []event
			More     bool
		}
		c.people[0].must(s.t, "GET", fmt.Sprintf("%s/v1/conversations/%s/messages?limit=200&after=%d", s.at(), url.PathEscape(c.id), after), nil, &page)
		all = append(all, page.Messages...)
		if !page.More {
			break
		}
		after = all[len(all)-1].Seq
	}
	if len(all) == 0 {
		s.t.Fatalf("%s is empty", c.id)
	}
	return all
}
