package chat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// reordered is what a reorder hands on.
type reordered struct {
	reorder
	at  int64
	got []string
	way chan Notice
}

func newReordered(patience time.Duration) *reordered {
	r := &reordered{way: make(chan Notice, 10)}
	r.reorder = reorder{
		position: func() int64 { return r.at }, patience: func() time.Duration { return patience }, wake: func() { r.way <- Notice{} },
		hand: func(ns []Notice) {
			for _, n := range ns {
				r.got = append(r.got, fmt.Sprintf("%d-%d", n.Prev, n.Cursor))
				r.at = max(r.at, n.Cursor)
			}
		},
	}
	return r
}

func moved(prev, cursor int64) Notice {
	return Notice{Prev: prev, Cursor: cursor, Events: []store.Event{{Cursor: cursor, Audience: []int64{1}}}}
}

// Whatever the order in which notices come, they are handed on in that of the log,
// once each and without a gap.
func TestNoticesAreBroughtIntoOrder(t *testing.T) {
	for range 200 {
		r := newReordered(time.Hour)
		var ns []Notice
		var want []string
		for i := range int64(30) {
			ns = append(ns, moved(2*i, 2*i+2))
			want = append(want, fmt.Sprintf("%d-%d", 2*i, 2*i+2))
		}
		ns = append(ns, ns[rand.IntN(30)]) // one comes twice
		rand.Shuffle(len(ns), func(i, j int) { ns[i], ns[j] = ns[j], ns[i] })
		for len(ns) > 0 {
			n := 1 + rand.IntN(len(ns))
			r.take(ns[:n])
			ns = ns[n:]
		}
		if !slices.Equal(r.got, want) || len(r.held) != 0 || r.bytes != 0 {
			t.Fatalf("%v, %d held with %d bytes", r.got, len(r.held), r.bytes)
		}
	}
}

// What is lost is waited for for a while, and then left to who reads the store.
func TestLostNoticesAreNotWaitedForForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReordered(time.Second)
		r.take([]Notice{moved(0, 1), moved(2, 3)})
		time.Sleep(600 * time.Millisecond)
		r.take([]Notice{moved(5, 6), moved(4, 5), {Signal: []byte(`{}`)}})
		if want := []string{"0-1", "0-0"}; !slices.Equal(r.got, want) {
			t.Errorf("%v", r.got)
		}
		n := <-r.way
		if r.take([]Notice{n}); !slices.Equal(r.got, []string{"0-1", "0-0", "2-3", "4-5", "5-6"}) {
			t.Errorf("%v", r.got)
		}
		// One that goes on is given its time again.
		r.got = nil
		r.take([]Notice{moved(7, 8), moved(10, 11)})
		time.Sleep(900 * time.Millisecond)
		r.take([]Notice{moved(6, 7)})
		r.take([]Notice{<-r.way})
		if !slices.Equal(r.got, []string{"6-7", "7-8"}) {
			t.Errorf("%v", r.got)
		}
		r.take([]Notice{moved(8, 10)})
		if !slices.Equal(r.got, []string{"6-7", "7-8", "8-10", "10-11"}) {
			t.Errorf("%v", r.got)
		}
		// While the others cannot be heard nothing is waited for.
		away := newReordered(0)
		if away.take([]Notice{moved(3, 4)}); !slices.Equal(away.got, []string{"3-4"}) {
			t.Errorf("%v", away.got)
		}
	})
}

// What waits is bounded, and events that are not there are handed on as a gap.
func TestWaitingNoticesAreBounded(t *testing.T) {
	r := newReordered(time.Hour)
	for i := range int64(maxReorder + 1) {
		r.take([]Notice{moved(i+1, i+2)})
	}
	if len(r.got) != maxReorder+1 || r.got[0] != "1-2" || len(r.held) != 0 {
		t.Errorf("%d handed on, %d held", len(r.got), len(r.held))
	}
	r = newReordered(time.Hour)
	r.take([]Notice{{Prev: 0, Cursor: 9, Bare: true}})
	if !slices.Equal(r.got, []string{"9-9"}) {
		t.Errorf("%v", r.got)
	}
	r.at = 20 // others moved on
	if r.take([]Notice{moved(9, 12), moved(12, 21)}); !slices.Equal(r.got, []string{"9-9", "12-21"}) {
		t.Errorf("%v", r.got)
	}
}
