package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// A witness hears what happens.
type witness struct {
	s  *suite
	at int64

	mu    sync.Mutex
	calls int           // guarded by mu
	heard []store.Event // guarded by mu
}

func (s *suite) witness() *witness {
	s.Helper()
	w := &witness{s: s}
	s.OnEvents(func(list []store.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls++
		w.heard = append(w.heard, list...)
	})
	if s.Shared() {
		var err error
		w.at, err = s.LastEvent(s.Context())
		s.want(err, nil)
	}
	return w
}

// all is what happened so far.
func (w *witness) all() []store.Event {
	w.s.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for more := w.s.Shared(); more; {
		var list []store.Event
		var err error
		list, w.at, more, err = w.s.EventsAfter(w.s.Context(), w.at, 2)
		w.s.want(err, nil)
		w.heard = append(w.heard, list...)
	}
	return slices.Clone(w.heard)
}

// notices are those that were told.
func (w *witness) notices() (list []store.Notice) {
	w.s.Helper()
	for _, ev := range w.all() {
		if ev.Kind == store.Noticed {
			list = append(list, ev.Notice)
		}
	}
	return list
}

// events: what was stored is told once, in order, and what was not is not.
func events(s *suite) {
	w := s.witness()
	s.follow(cat, ann)
	d := by(ann, "hi @bob #sea")
	d.Mentions, d.Tags, d.Key, d.KeyLife = []int64{bob}, []string{"sea"}, "once", time.Minute
	p := s.wrote(d)
	_, created, err := s.AddStatus(s.Context(), d)
	s.want(err, nil)
	s.same(created, false)
	change := store.Rewrite{ID: p.ID, Author: ann, Text: "changed", Mentions: []int64{bob}}
	for range 2 { // the second one changes nothing
		_, err = s.Rewrite(s.Context(), change)
		s.want(err, nil)
	}
	f, err := s.AddFilter(s.Context(), store.Filter{User: dan, Title: "x", Action: "warn"})
	s.want(err, nil)
	_, err = s.EditFilter(s.Context(), dan, f.ID, func(f *store.Filter) error { f.Title = "y"; return nil })
	s.want(err, nil)
	_, err = s.EditFilter(s.Context(), bob, f.ID, func(*store.Filter) error { return nil })
	s.want(err, store.ErrNotFound)
	s.want(s.DeleteFilter(s.Context(), dan, f.ID), nil)
	s.want(s.DeleteFilter(s.Context(), dan, f.ID), store.ErrNotFound)
	_, err = s.DeleteStatus(s.Context(), p.ID, bob, false)
	s.want(err, store.ErrNotFound)
	_, err = s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)

	var got []string
	last := int64(0)
	for _, ev := range w.all() {
		if ev.At < last || s.Shared() != (ev.At > 0) {
			s.Errorf("an event at %d after one at %d", ev.At, last)
		}
		last = ev.At
		switch ev.Kind {
		case store.Noticed:
			got = append(got, fmt.Sprint("notice ", ev.Notice.User, ev.Notice.Kind, ev.Notice.Status == p.ID))
		case store.FiltersChanged:
			got = append(got, fmt.Sprint("filters ", ev.User))
		default:
			st := ev.Status
			got = append(got, fmt.Sprint(ev.Kind, st.ID == p.ID, st.Author, st.Visibility, st.Mentions, st.Tags))
		}
	}
	s.same(got, []string{
		"notice 1followfalse", "notice 2mentiontrue", "1 true 1 public [2] [sea]", "2 true 1 public [2] []",
		"filters 4", "filters 4", "filters 4", "3 true 1 public [2] []",
	})
	s.same(w.calls, 7) // one for each request
}

// gaps: who comes too late for events is told so; who read all but what came last
// misses nothing, however long ago that was.
func gaps(s *suite) {
	if !s.Shared() {
		return
	}
	first, err := s.LastEvent(s.Context())
	s.want(err, nil)
	p := s.wrote(by(ann, "one"))
	second, err := s.LastEvent(s.Context())
	s.want(err, nil)
	for range 2 {
		s.clock.Move(2 * store.EventLife)
		_, err = s.Sweep(s.Context(), s.clock.Now(), 1)
		s.want(err, nil)
	}
	q := s.wrote(by(ann, "two"))
	list, last, more, err := s.EventsAfter(s.Context(), second, 2)
	s.want(err, nil)
	if len(list) != 1 || list[0].Status.ID != q.ID || last <= second || more {
		s.Errorf("%+v up to %d, more: %v", list, last, more)
	}
	_, _, _, err = s.EventsAfter(s.Context(), first, 1)
	s.want(err, store.ErrGap)
	// A log that went back, as after a failover, is a gap too.
	_, _, _, err = s.EventsAfter(s.Context(), last+1, 1)
	s.want(err, store.ErrGap)
	_, err = s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
}
