package nodes

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/netns"
	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
)

// A fault is something that breaks, and is mended.
type fault struct {
	name string
	once bool // it cannot happen again
	long bool // only in the long form: others show nearly the same
	soon bool // others do what a node cannot: clients have to be back soon
	// begin breaks it at a node, or at what all share, and returns when that is
	// noticed where it should be; end mends it, and returns when nodes are as
	// before.
	begin, end func(h *happening)
}

// A happening is a fault at one time.
type happening struct {
	*load
	t *testing.T
	s size
	n *node // whom it is about, where it is about one
	f *finding
}

// A finding is what a fault did.
type finding struct {
	name         string
	soon         bool // clients have to be back in size.back
	times        int
	acked, posts int
	requests     count
	backs, waits []time.Duration // of devices; see crowdTally
	noticed      []time.Duration // until the node said that it is not ready
	ready        []time.Duration // until it was again
}

// happen has a fault happen as often as it should.
func (f fault) happen(t *testing.T, l *load, s size) (found finding) {
	t.Helper()
	found = finding{name: f.name, soon: f.soon}
	for turn := range s.times {
		if turn > 0 && f.once {
			break
		}
		h := &happening{load: l, t: t, s: s, n: l.c.nodes[l.c.turn%nodeCount], f: &found}
		l.c.turn++
		l.crowd.spread(t)
		l.crowd.take()
		posts := l.posts()
		before := l.count()
		begun := time.Now()
		f.begin(h)
		if left := s.hold - time.Since(begun); left > 0 {
			time.Sleep(left)
		}
		f.end(h)
		wait.Until(t, "everybody is connected again", func() bool { return l.crowd.missing() == 0 })
		l.flows(t)
		found.add(h, posts, before)
	}
	t.Log(found)
	return found
}

// add adds what happened since.
func (f *finding) add(h *happening, posts int, before count) {
	tally := h.crowd.take()
	f.times++
	f.acked += tally.acked
	f.posts += h.posts() - posts
	f.backs = append(f.backs, tally.backs...)
	f.waits = append(f.waits, tally.waits...)
	f.requests = f.requests.plus(h.count().minus(before))
	for _, why := range h.cuts() {
		h.t.Log("cut: " + why)
	}
}

func (f finding) String() string {
	return fmt.Sprintf("%d messages, %d posts, requests %+v, %d connections ended; back after %s, messages waited %s, noticed after %s, ready after %s",
		f.acked, f.posts, f.requests, len(f.backs), pair(f.backs), pair(f.waits), pair(f.noticed), pair(f.ready))
}

func (f finding) judge(t *testing.T, s size) {
	t.Helper()
	if f.soon && s.back > 0 && len(f.backs) > 0 && last(f.backs) > s.back {
		t.Errorf("%s: clients were back after %s", f.name, pair(f.backs))
	}
}

// faults come in this order. What a killed node was doing is long done by the others
// when the last one is over.
var faults = []fault{
	{name: "nothing", begin: nothing, end: steady},
	{name: "a node is killed", begin: killNode, end: startNode, soon: true},
	{name: "a node is cut off from the database", begin: cutDatabase, end: mendNode, soon: true, long: true},
	{name: "a node is cut off from the bus", begin: cutBus, end: mendBus, soon: true},
	{name: "a node is cut off from the database and the bus", begin: cutOff, end: mendNode, soon: true},
	{name: "a node is cut off from everything", begin: cutAll, end: mendNode, soon: true},
	{name: "a node's network is slow and loses", begin: badNetwork, end: mendNode},
	{name: "the bus is away", begin: stopBus, end: startBus},
	{name: "the bucket is slow and fails", begin: badBucket, end: goodBucket},
	{name: "the bucket is away", begin: stopBucket, end: startBucket},
	{name: "the database is restarted", begin: restartDatabase, end: allReady},
	{name: "the tables are a newer program's", begin: expand, end: contract},
	{name: "nodes are upgraded", begin: upgrade, end: allReady, soon: true},
	{name: "the database's machine dies, the standby takes over", begin: failOver, end: allReady, once: true},
}

func nothing(*happening) {}

// steady is for when nobody may have noticed anything.
func steady(h *happening) {
	if cut := h.count().cut; cut > 0 {
		h.t.Errorf("%d requests were cut though nothing happened", cut)
	}
	allReady(h)
}

func allReady(h *happening) {
	h.f.ready = append(h.f.ready, until(h.t, "is ready", h.c.nodes, (*node).ready))
}

// unready waits until the node says that it is not ready.
func (h *happening) unready() {
	h.f.noticed = append(h.f.noticed, until(h.t, "says that it is not ready", []*node{h.n}, func(n *node) bool { return !n.ready() }))
}

func killNode(h *happening) { h.n.d.Kill() }

func startNode(h *happening) {
	wait.Until(h.t, "everybody is connected elsewhere", func() bool { return h.crowd.missing() == 0 })
	begun := time.Now()
	h.n.restart(h.c.bin)
	h.f.ready = append(h.f.ready, time.Since(begun))
}

func cutDatabase(h *happening) {
	h.n.Weather(netns.Cut, firstAddr, secondAddr)
	h.unready()
	h.says503()
}

// says503 fails where the node does not say of what it cannot do, and soon, that it
// is to be asked again later.
func (h *happening) says503() {
	h.t.Helper()
	p := h.crowd.people[0]
	h.refuses(
		func() error {
			return call(http.MethodPost, h.n.chat+"/v1/conversations/"+p.conv+"/messages", p.token, map[string]string{"cid": "never", "text": "never"}, nil)
		},
		func() error { return call(http.MethodGet, h.n.photos+"/api/v1/timelines/public", "", nil, nil) },
	)
	for _, url := range []string{h.n.chat, h.n.photos} {
		if status := statusOf(call(http.MethodGet, url+"/healthz", "", nil, nil)); status != http.StatusServiceUnavailable {
			h.t.Errorf("%s/healthz answers %d", url, status)
		}
	}
}

// refuses fails where something is not refused for a while.
func (h *happening) refuses(tries ...func() error) {
	h.t.Helper()
	var all sync.WaitGroup
	for _, try := range tries {
		all.Go(func() {
			begun := time.Now()
			err := try()
			if r, ok := err.(*refusal); !ok || !r.temporary {
				h.t.Errorf("%s, after %v: %v", h.n.Name, time.Since(begun), err)
			}
		})
	}
	all.Wait()
}

func mendNode(h *happening) {
	h.n.Fine()
	h.f.ready = append(h.f.ready, until(h.t, "is ready", []*node{h.n}, (*node).ready))
}

func cutBus(h *happening) {
	h.n.Weather(netns.Cut, busAddr)
	h.f.noticed = append(h.f.noticed, until(h.t, "says that the bus is away", []*node{h.n}, func(n *node) bool { return !n.hearsOthers() }))
	if !h.n.ready() {
		h.t.Errorf("%s is not ready without the bus", h.n.Name)
	}
}

func mendBus(h *happening) {
	h.n.Fine()
	h.f.ready = append(h.f.ready, until(h.t, "hears the others", []*node{h.n}, (*node).hearsOthers))
}

func cutAll(h *happening) {
	h.n.Weather(netns.Cut)
	wait.Until(h.t, "who writes is connected elsewhere", func() bool { return h.crowd.missing() == 0 && h.crowd.with(h.n, false) == 0 })
	h.unready()
}

// cutOff leaves a node its clients, of whom those who only read could not know that
// nothing comes any more.
func cutOff(h *happening) {
	h.n.Weather(netns.Cut, firstAddr, secondAddr, busAddr)
	h.unready()
	h.says503()
	wait.Until(h.t, "everybody is connected elsewhere", func() bool { return h.crowd.missing() == 0 && h.crowd.with(h.n, true) == 0 })
	wait.Until(h.t, "the database has dropped the node's connections", func() bool {
		return h.c.primary.SQL(h.t, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE client_addr = '%s'", h.n.Addr)) == "0"
	})
}

func badNetwork(h *happening) {
	h.n.Weather(netns.Weather{Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.02})
	h.flows(h.t)
}

func stopBus(h *happening) {
	h.c.bus.Stop()
	h.f.noticed = append(h.f.noticed, until(h.t, "says that the bus is away", h.c.nodes, func(n *node) bool { return !n.hearsOthers() }))
	h.flows(h.t) // what they have in common is the database
}

func startBus(h *happening) {
	h.c.bus.Run()
	h.f.ready = append(h.f.ready, until(h.t, "hears the others", h.c.nodes, (*node).hearsOthers))
}

func badBucket(h *happening) {
	n := 0
	h.c.bucket.Break(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		h.c.mu.Lock()
		n++
		turn := n % 4
		h.c.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		switch turn {
		case 0:
			s3.Answer(w, http.StatusInternalServerError, "InternalError")
		case 1:
			s3.Answer(w, http.StatusServiceUnavailable, "SlowDown")
		default:
			next.ServeHTTP(w, r)
		}
	})
	h.flows(h.t)
}

func goodBucket(h *happening) {
	h.c.bucket.Break(nil)
	allReady(h)
}

func stopBucket(h *happening) {
	h.c.bucketLink.To("")
	h.c.bucketLink.Reset()
	begun, file := time.Now(), draft("never")
	h.refuses(
		func() error {
			_, _, err := ask(http.MethodPost, h.n.chat+"/v1/blobs?name=a.jpg", h.crowd.people[0].token, body{"image/jpeg", file})
			return err
		},
		func() error { return h.posters[0].upload(h.n, file, nil) },
	)
	h.f.noticed = append(h.f.noticed, time.Since(begun))
	acked := h.crowd.acks() // who sends no file does not notice
	wait.Until(h.t, "messages are acknowledged", func() bool { return h.crowd.acks() > acked+len(h.crowd.devices) })
}

func startBucket(h *happening) {
	h.c.bucketLink.To(h.c.bucket.Link.Addr)
	allReady(h)
}

func restartDatabase(h *happening) { h.c.primary.Stop(h.t, postgres.Fast); h.c.primary.Start(h.t) }

// failOver ends the machine of the database, which says nothing from then on, and
// has the standby take over.
func failOver(h *happening) {
	for _, n := range h.c.nodes {
		n.Weather(netns.Cut, firstAddr)
	}
	h.c.first.Kill(h.t)
	h.c.second.Promote(h.t)
	h.c.primary = h.c.second
}
