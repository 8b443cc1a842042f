package photos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	testnats "github.com/porticod/portico/internal/testkit/nats"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/bus/nats"
	"github.com/porticod/portico/services/photos"
	"github.com/porticod/portico/services/photos/store"
)

// natsWire is a place on the bus of a server.
func natsWire(t *testing.T, url string) *nats.Bus {
	t.Helper()
	target, err := nats.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nats.Open(target, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// updates are the next events of a WebSocket, which are all about new posts.
func (k *socket) updates(n int) (ids []string) {
	k.t.Helper()
	for range n {
		f := k.frame()
		var p status
		if f.Event != "update" || f.Payload == nil || json.Unmarshal([]byte(*f.Payload), &p) != nil {
			k.t.Fatalf("%+v instead of a post", f)
		}
		ids = append(ids, p.ID)
	}
	return ids
}

// TestNodesDeadNode: what a node took and told nobody of, because it died after the
// commit, comes to those who listen at the others, like everything: once, in the order
// of the commits.
func TestNodesDeadNode(t *testing.T) {
	n := newNodes(t)
	n.cfg.TextPosts = true
	server := testnats.Start(t)
	a, b := n.start(natsWire(t, server.URL)), n.start(natsWire(t, server.URL))
	ann := a.signUp("ann")
	author := mustUser(t, a, "ann")
	dead := n.rows() // it commits, and has no time for more
	defer dead.Close()
	write := func() string {
		s, _, err := dead.AddStatus(t.Context(), store.Draft{Status: store.Status{Author: author, Visibility: store.Public, Text: "last words"}})
		if err != nil {
			t.Error(err)
		}
		return strconv.FormatInt(s.ID, 10)
	}
	var streams []*socket
	for _, s := range []*site{a, b} {
		streams = append(streams, s.mustSocket(t, "?stream=public&access_token="+ann))
	}
	last := write()
	for _, k := range streams {
		k.gets("update", last, "public")
	}

	const each = 8
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	for _, take := range []func() string{write, func() string { return a.write(ann, "at one").ID }, func() string { return b.write(ann, "at another").ID }} {
		wg.Go(func() {
			for range each {
				id := take()
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(ids) // they have the same length
	for i, k := range streams {
		if got := k.updates(len(ids)); !slices.Equal(got, ids) {
			t.Errorf("stream %d has %v instead of %v", i, got, ids)
		}
	}
	// Nothing more comes before what happens next.
	id, err := strconv.ParseInt(last, 10, 64)
	if err == nil {
		_, err = dead.DeleteStatus(t.Context(), id, author, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range streams {
		k.gets("delete", last, "public")
	}
	// Who comes now hears of what comes now.
	k := b.mustSocket(t, "?stream=public&access_token="+ann)
	k.gets("update", write(), "public")
}

// TestNodesBusAway: while the bus is away streams are told from the database, as with
// it; when it is back they go on.
func TestNodesBusAway(t *testing.T) {
	n := newNodes(t)
	n.cfg.TextPosts = true
	server := testnats.Start(t)
	wires := []*nats.Bus{natsWire(t, server.URL), natsWire(t, server.URL)}
	a, b := n.start(wires[0]), n.start(wires[1])
	healthy := func(want bool) {
		t.Helper()
		wait.Until(t, "the bus is noticed", func() bool { return wires[0].Healthy() == want && wires[1].Healthy() == want })
	}
	healthy(true)
	ann := a.signUp("ann")
	streams := []*socket{a.mustSocket(t, "?stream=public&access_token="+ann), b.mustSocket(t, "?stream=public&access_token="+ann)}
	both := func() {
		t.Helper()
		for _, s := range []*site{a, b} {
			p := s.write(ann, "hi")
			for _, k := range streams {
				k.gets("update", p.ID, "public")
			}
		}
	}
	server.Stop()
	both()
	healthy(false)
	both()
	server.Run()
	healthy(true)
	both()
}

// A blind store does not say what happened.
type blind struct {
	store.Store
	blind atomic.Bool
	asked atomic.Int64 // in vain
}

var errBlind = errors.New("no connection")

func (b *blind) LastEvent(ctx context.Context) (int64, error) {
	if b.blind.Load() {
		return 0, errBlind
	}
	return b.Store.LastEvent(ctx)
}

func (b *blind) EventsAfter(ctx context.Context, after int64, limit int) ([]store.Event, int64, bool, error) {
	if b.blind.Load() {
		b.asked.Add(1)
		return nil, 0, false, errBlind
	}
	return b.Store.EventsAfter(ctx, after, limit)
}

// TestNodesCutOff: streams of a node that cannot see what happens stay where nothing
// happens, and end where others go on; it is not ready meanwhile.
func TestNodesCutOff(t *testing.T) {
	n := newNodes(t)
	n.cfg.TextPosts = true
	server := testnats.Start(t)
	st := &blind{Store: n.rows()}
	a, b := n.start(natsWire(t, server.URL)), n.startOn(natsWire(t, server.URL), st)
	ann := a.signUp("ann")
	k := b.mustSocket(t, "?stream=public&access_token="+ann)
	fails := func(times int64) {
		t.Helper()
		before := st.asked.Load()
		st.blind.Store(true)
		wait.Until(t, "it is seen", func() bool { return st.asked.Load() >= before+times })
	}
	fails(2)
	b.get("/healthz", "").is(503)
	st.blind.Store(false)
	k.gets("update", a.write(ann, "seen").ID, "public")
	b.get("/healthz", "").is(200)

	fails(1)
	a.write(ann, "not seen")
	if code := k.end(); code != 1013 {
		t.Errorf("ends with %d", code)
	}
	if _, res, err := b.socket("?stream=public&access_token="+ann, nil); err == nil || res.StatusCode < 500 {
		t.Errorf("listens to nothing: %v", err)
	}
	st.blind.Store(false)
	k = b.mustSocket(t, "?stream=public&access_token="+ann)
	k.gets("update", a.write(ann, "seen again").ID, "public")
}

// TestNodesBounds: what an account has open at a time counts on all nodes.
func TestNodesBounds(t *testing.T) {
	n := newNodes(t)
	n.cfg.Limits.Requests = 1_000_000 // it asks until it is so
	server := testnats.Start(t)
	a, b := n.start(natsWire(t, server.URL)), n.start(natsWire(t, server.URL))
	ann := a.signUp("ann")
	const streams, uploads = 16, 8
	refused := func(s *site) bool {
		k, res, err := s.socket("?stream=user&access_token="+ann, nil)
		if err != nil {
			if res == nil || res.StatusCode != http.StatusTooManyRequests {
				t.Fatalf("%v, %+v", err, res)
			}
			return true
		}
		_ = k.conn.NetConn().Close()
		return false
	}
	var open []*socket
	for range streams - 1 {
		open = append(open, a.mustSocket(t, "?stream=user&access_token="+ann))
	}
	more := b.mustSocket(t, "?stream=user&access_token="+ann)
	for i, s := range []*site{a, b} {
		wait.Until(t, fmt.Sprintf("node %d counts all", i), func() bool { return refused(s) })
	}
	for _, k := range open {
		_ = k.conn.NetConn().Close()
	}
	wait.Until(t, "there is room again", func() bool { return !refused(b) })
	_ = more.conn.NetConn().Close()

	user := mustUser(t, a, "ann")
	var leave []func()
	for range uploads {
		end, err := a.svc.(*photos.Photos).EnterUpload(user)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, end)
	}
	wait.Until(t, "the other node counts uploads", func() bool { return b.upload(ann, small).StatusCode == http.StatusServiceUnavailable })
	for _, end := range leave {
		end()
	}
	wait.Until(t, "an upload is let in again", func() bool { return b.upload(ann, small).StatusCode == http.StatusOK })
}
