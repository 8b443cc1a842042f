package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

var (
	alice = store.Person{ID: 1, Username: "alice"}
	bob   = store.Person{ID: 2, Username: "bob"}
	eve   = store.Person{ID: 3, Username: "eve"}
)

// open opens a store and returns what it hands on.
func open(t *testing.T, dir string) (*sqlstore.Store, *[]store.Event) {
	t.Helper()
	var events []store.Event
	s, err := sqlstore.Open(t.Context(), dir, sqlstore.Options{
		Log: zerolog.Nop(), Committed: func(_ int64, es []store.Event, _ int64) { events = append(events, es...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, &events
}

func direct(t *testing.T, s *sqlstore.Store, a, b store.Person) store.ConvID {
	t.Helper()
	sum, _, err := s.Direct(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	return sum.ID
}

// say stores a message with a cid and returns the answer.
func say(t *testing.T, s *sqlstore.Store, from store.Person, conv store.ConvID, cid, text string) store.Sent {
	t.Helper()
	sent, err := s.Send(t.Context(), []store.Draft{{From: from, Conv: conv, CID: cid, Text: text}})
	if err != nil {
		t.Fatal(err)
	}
	return sent[0]
}

func TestPositionsGrowOverConcurrentWriters(t *testing.T) {
	s, events := open(t, t.TempDir())
	one, two := direct(t, s, alice, bob), direct(t, s, bob, eve)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				conv, from := one, alice
				if w%2 == 1 {
					conv, from = two, bob
				}
				say(t, s, from, conv, fmt.Sprintf("%d-%d", w, i), "x")
				if i%5 == 0 {
					if err := s.Mark(t.Context(), bob, conv, int64(i), 0, false, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	var last int64
	seqs := map[store.ConvID]int64{}
	for _, e := range *events {
		if e.Cursor <= last {
			t.Fatalf("position %d after %d", e.Cursor, last)
		}
		last = e.Cursor
		if e.Type == store.Message {
			if seqs[e.Conv]++; e.Seq != seqs[e.Conv] {
				t.Fatalf("seq %d in place of %d", e.Seq, seqs[e.Conv])
			}
		}
	}
	if seqs[one] != 100 || seqs[two] != 100 || s.Cursor() != last {
		t.Errorf("%v, position %d, last %d", seqs, s.Cursor(), last)
	}
}

// What was pushed and what a replay reads is the same, but for the state that
// has moved on.
func TestReplayIsWhatWasPushed(t *testing.T) {
	s, events := open(t, t.TempDir())
	conv := direct(t, s, alice, bob)
	other := direct(t, s, alice, eve)
	for i := range 30 {
		say(t, s, alice, conv, fmt.Sprint(i), "to bob")
		say(t, s, alice, other, fmt.Sprint(i), "to eve")
		if err := s.Mark(t.Context(), bob, conv, int64(i), int64(i), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, after := range []int64{0, 5, 50, s.Cursor() - 1, s.Cursor()} {
		var want []string
		lastMark := ""
		for _, e := range *events {
			if e.Cursor <= after || !contains(e.Audience, bob.ID) {
				continue
			}
			if e.Type == store.Conversation {
				e.Seq = 0 // as it is now
			}
			line := fmt.Sprint(e.Cursor, e.Type, e.Seq, e.Text, e.Recv, e.Read)
			if e.Type == store.Mark {
				lastMark = line
				continue
			}
			want = append(want, line)
		}
		plan, err := s.Plan(t.Context(), bob.ID, after, s.Cursor(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		mark, last := "", after
		for plan.Len() > 0 {
			page, err := plan.Load(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > 7 {
				t.Errorf("a page of %d", len(page))
			}
			for _, e := range page {
				if e.Cursor <= last {
					t.Errorf("%d after %d", e.Cursor, last)
				}
				last = e.Cursor
				if e.Type == store.Conversation {
					e.Seq = 0
				}
				line := fmt.Sprint(e.Cursor, e.Type, e.Seq, e.Text, e.Recv, e.Read)
				if e.Type == store.Mark {
					mark = line
					continue
				}
				got = append(got, line)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || mark != lastMark {
			t.Errorf("after %d:\n%v %q\nnot\n%v %q", after, got, mark, want, lastMark)
		}
	}
}

func contains(ids []int64, id int64) bool {
	for _, i := range ids {
		if i == id {
			return true
		}
	}
	return false
}

func TestStateThatMovedIsLeftToItsNewPosition(t *testing.T) {
	s, _ := open(t, t.TempDir())
	conv := direct(t, s, alice, bob)
	say(t, s, alice, conv, "1", "x")
	say(t, s, alice, conv, "2", "x")
	if err := s.Mark(t.Context(), bob, conv, 1, 0, false, nil); err != nil {
		t.Fatal(err)
	}
	at := s.Cursor()
	plan, err := s.Plan(t.Context(), alice.ID, at-1, at, 10)
	if err != nil || plan.Len() != 1 {
		t.Fatalf("%v, %d", err, plan.Len())
	}
	if err := s.Mark(t.Context(), bob, conv, 2, 0, false, nil); err != nil {
		t.Fatal(err)
	}
	if page, err := plan.Load(t.Context(), 10); err != nil || len(page) != 0 || plan.Len() != 0 {
		t.Errorf("%v %v", page, err)
	}
}

func TestTooMuchToReplay(t *testing.T) {
	s, _ := open(t, t.TempDir())
	conv := direct(t, s, alice, alice)
	from := s.Cursor()
	for i := range 11 {
		say(t, s, alice, conv, fmt.Sprint(i), "x")
	}
	if _, err := s.Plan(t.Context(), alice.ID, from, s.Cursor(), 10); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("eleven of ten: %v", err)
	}
	if plan, err := s.Plan(t.Context(), alice.ID, from, s.Cursor(), 11); err != nil || plan.Len() != 11 {
		t.Errorf("eleven of eleven: %v", err)
	}
}

func TestReopenGoesOn(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	conv := direct(t, s, alice, bob)
	first := say(t, s, alice, conv, "1", "x")
	epoch, at := s.Epoch(), s.Cursor()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, events := open(t, dir)
	if s.Epoch() != epoch || s.Cursor() != at {
		t.Errorf("%s %d, not %s %d", s.Epoch(), s.Cursor(), epoch, at)
	}
	if again := say(t, s, alice, conv, "1", "x"); !again.Dup || again.Seq != first.Seq || again.At != first.At {
		t.Errorf("%+v, not %+v", again, first)
	}
	if next := say(t, s, alice, conv, "2", "x"); next.Seq != 2 || next.At < first.At {
		t.Errorf("%+v", next)
	}
	if e := (*events)[0]; e.Cursor <= at {
		t.Errorf("position %d after %d", e.Cursor, at)
	}
	other, _ := open(t, t.TempDir())
	if other.Epoch() == epoch {
		t.Error("two stores have the same epoch")
	}
}

func TestRefusedDraftsLeaveTheOthersAlone(t *testing.T) {
	s, _ := open(t, t.TempDir())
	conv := direct(t, s, alice, bob)
	say(t, s, alice, conv, "old", "old")
	never := func() (time.Duration, bool) { return time.Second, false }
	sent, err := s.Send(t.Context(), []store.Draft{
		{From: alice, Conv: conv, CID: "1", Text: "good"},
		{From: eve, Conv: conv, CID: "1", Text: "no member"},
		{From: alice, Conv: 99, CID: "1", Text: "no conversation"},
		{From: alice, Conv: conv, CID: "old", Text: "new"},
		{From: alice, Conv: conv, CID: "old", Text: "old", ReplyTo: 1},
		{From: alice, Conv: conv, CID: "old", Text: "old", Allow: never},
		{From: alice, Conv: conv, CID: "2", Text: "too soon", Allow: never},
		{From: alice, Conv: conv, CID: "3", Text: "answers nothing", ReplyTo: 9},
		{From: alice, Conv: conv, CID: "4", Text: "good", ReplyTo: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	var limited *store.Limited
	for i, ok := range []bool{
		sent[0].Seq == 2 && sent[0].Err == nil,
		errors.Is(sent[1].Err, store.ErrNotFound),
		errors.Is(sent[2].Err, store.ErrNotFound),
		errors.Is(sent[3].Err, store.ErrConflict),
		errors.Is(sent[4].Err, store.ErrConflict),
		sent[5].Dup && sent[5].Seq == 1,
		errors.As(sent[6].Err, &limited) && limited.After == time.Second,
		errors.Is(sent[7].Err, store.ErrReplyTo),
		sent[8].Seq == 3,
	} {
		if !ok {
			t.Errorf("draft %d: %+v", i, sent[i])
		}
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	s, _ := open(t, t.TempDir())
	conv := direct(t, s, alice, bob)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), []store.Draft{{From: alice, Conv: conv, CID: "1", Text: "x"}}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := s.History(t.Context(), 1, conv, store.Range{Limit: 1}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open, _ := open(t, t.TempDir())
	if _, err := open.Send(ctx, []store.Draft{{From: alice, Conv: conv, CID: "1"}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
