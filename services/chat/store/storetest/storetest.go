// Package storetest is the contract of store.Store as a test, for every
// implementation. It tests no rules of the service.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// Open opens the store that lies in dir, and has committed called as
// store.Store promises: with the position before the events.
type Open func(t *testing.T, dir string, committed func(int64, []store.Event, int64)) store.Store

// People who take part.
var (
	Alice = store.Person{ID: 1, Username: "alice"}
	Bob   = store.Person{ID: 2, Username: "bob"}
	Carol = store.Person{ID: 3, Username: "carol"}
	Eve   = store.Person{ID: 4, Username: "eve"}
)

// Run runs the suite against stores in folders of their own.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"positions grow over concurrent writers", positions},
		{"a send is stored once", sends},
		{"replay is what was pushed", replays},
		{"ranges of rejoined members", ranges},
		{"the owner's heir", heirs},
		{"a thousand members", large},
		{"marks that others see", marks},
		{"blobs live as long as somebody holds them", blobs},
		{"words are found and forgotten", words},
		{"erasures go on", erasures},
		{"what is done to messages", changes},
		{"what one sets and clears", settings},
		{"who has the code of a group", invites},
		{"a closed store is unavailable", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, dir: t.TempDir(), start: open}
			s.open()
			c.test(s)
		})
	}
}

type suite struct {
	*testing.T
	dir   string
	start Open
	store store.Store

	mu     sync.Mutex
	events []store.Event // guarded by mu
	cursor int64         // guarded by mu
}

func (s *suite) open() {
	s.store = s.start(s.T, s.dir, func(after int64, events []store.Event, cursor int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if cursor <= after || after < s.cursor || after > s.cursor && s.cursor != 0 {
			s.Errorf("committed position %d after %d, and told of %d before", cursor, after, s.cursor)
		}
		s.events, s.cursor = append(s.events, events...), cursor
	})
	s.Cleanup(func() { _ = s.store.Close() })
}

// ok ends the test where something fails that must not.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is checks an error.
func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("error %v, not %v", err, want)
	}
}

func (s *suite) ctx() context.Context { return s.Context() }

func (s *suite) direct(a, b store.Person) store.ConvID {
	s.Helper()
	sum, _, err := s.store.Direct(s.ctx(), a, b)
	s.ok(err)
	return sum.ID
}

func (s *suite) group(by store.Person, members ...store.Person) store.ConvID {
	s.Helper()
	sum, created, err := s.store.CreateGroup(s.ctx(), store.GroupDraft{By: by, CID: fmt.Sprint("g", len(members)), Title: "Group", Members: members}, 100)
	s.ok(err)
	if !created {
		s.Error("the group was there")
	}
	return sum.ID
}

func (s *suite) say(from store.Person, conv store.ConvID, cid, text string, blobs ...string) store.Sent {
	s.Helper()
	sent, err := s.store.Send(s.ctx(), []store.Draft{{From: from, Conv: conv, CID: cid, Text: text, Attachments: blobs}})
	s.ok(err)
	return sent[0]
}

func (s *suite) texts(p store.Person, conv store.ConvID) string {
	s.Helper()
	page, err := s.store.History(s.ctx(), p.ID, conv, store.Range{Limit: 200})
	s.ok(err)
	var all []string
	for _, m := range page.Messages {
		all = append(all, m.Text)
	}
	return strings.Join(all, " ")
}

func positions(s *suite) {
	one, two := s.direct(Alice, Bob), s.group(Bob, Eve)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				conv, from := one, Alice
				if w%2 == 1 {
					conv, from = two, Bob
				}
				s.say(from, conv, fmt.Sprintf("%d-%d", w, i), "x")
				if err := s.store.Mark(s.ctx(), Bob, conv, int64(i), 0, false, nil); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var last int64
	seqs := map[store.ConvID]int64{}
	for _, e := range s.events {
		if e.Cursor < last || e.Cursor == last && e.Type < store.Conversation {
			s.Fatalf("position %d after %d", e.Cursor, last)
		}
		last = e.Cursor
		if e.Seq > 0 && e.Type == store.Message {
			if seqs[e.Conv]++; e.Seq != seqs[e.Conv] {
				s.Fatalf("seq %d in place of %d", e.Seq, seqs[e.Conv])
			}
		}
	}
	if seqs[one] != 80 || seqs[two] != 80 || s.store.Cursor() != s.cursor {
		s.Errorf("%v, position %d, told %d", seqs, s.store.Cursor(), s.cursor)
	}
}

func sends(s *suite) {
	conv := s.direct(Alice, Bob)
	first := s.say(Alice, conv, "1", "hello")
	epoch := s.store.Epoch()
	s.ok(s.store.Close())
	s.open()
	if again := s.say(Alice, conv, "1", "hello"); !again.Dup || again.Seq != first.Seq || again.At != first.At || s.store.Epoch() != epoch {
		s.Errorf("%+v, not %+v", again, first)
	}
	never := func() (time.Duration, bool) { return time.Second, false }
	everybody := blocker(func(int64) bool { return true })
	sent, err := s.store.Send(s.ctx(), []store.Draft{
		{From: Alice, Conv: conv, CID: "1", Text: "other"},
		{From: Eve, Conv: conv, CID: "1", Text: "outside"},
		{From: Alice, Conv: conv, CID: "1", Text: "hello", Allow: never, Blocked: everybody},
		{From: Alice, Conv: conv, CID: "2", Text: "x", Blocked: everybody},
		{From: Alice, Conv: conv, CID: "2", Text: "x", Allow: never},
		{From: Alice, Conv: conv, CID: "2", Text: "x", ReplyTo: 9},
		{From: Alice, Conv: conv, CID: "2", Text: "x", Attachments: []string{"none"}},
		{From: Alice, Conv: conv, CID: "2", Text: "x", ReplyTo: 1},
	})
	s.ok(err)
	var limited *store.Limited
	for i, want := range []error{store.ErrConflict, store.ErrNotFound, nil, store.ErrBlocked, nil, store.ErrReplyTo, store.ErrBlob, nil} {
		if i == 4 {
			if !errors.As(sent[i].Err, &limited) {
				s.Errorf("%+v", sent[i])
			}
			continue
		}
		s.is(sent[i].Err, want)
	}
	if !sent[2].Dup || sent[7].Seq != 2 {
		s.Errorf("%+v", sent)
	}
}

type blocker func(int64) bool

func (b blocker) Has(id int64) bool { return b(id) }

// replays compares a replay with what was pushed: rows of the log are the same,
// of state only the last counts.
func replays(s *suite) {
	conv, g := s.direct(Alice, Bob), s.group(Alice, Bob, Carol)
	for i := range 20 {
		s.say(Alice, conv, fmt.Sprint(i), "to bob")
		s.say(Bob, g, fmt.Sprint(i), "to all")
		s.ok(s.store.Mark(s.ctx(), Alice, conv, int64(i), int64(i), false, nil))
	}
	_, err := s.store.React(s.ctx(), Carol, g, 1, "👍", true, nil)
	s.ok(err)
	s.ok(s.store.RemoveMember(s.ctx(), Alice, g, Carol))
	s.say(Bob, g, "last", "without carol")
	for _, p := range []store.Person{Alice, Bob, Carol} {
		for _, after := range []int64{0, 3, 40, s.store.Cursor() - 1, s.store.Cursor()} {
			s.compare(p, after)
		}
	}
	_, err = s.store.Plan(s.ctx(), Bob.ID, 0, s.store.Cursor(), 5)
	s.is(err, store.ErrTooMany)
}

func (s *suite) compare(p store.Person, after int64) {
	s.Helper()
	var want, got []string
	say := func(e store.Event) string {
		return fmt.Sprint(e.Cursor, e.Type, e.Conv, e.Seq, e.From, e.Text, e.Target, e.Emoji, e.On, e.User, e.Action, e.Role)
	}
	for _, e := range s.events {
		if e.Cursor > after && e.Type < store.Conversation && slices.Contains(e.Audience, p.ID) {
			want = append(want, say(e))
		}
	}
	plan, err := s.store.Plan(s.ctx(), p.ID, after, s.store.Cursor(), 1000)
	s.ok(err)
	last := after
	for plan.Len() > 0 {
		page, err := plan.Load(s.ctx(), 7)
		s.ok(err)
		for _, e := range page {
			if e.Cursor <= last {
				s.Errorf("%d after %d", e.Cursor, last)
			}
			if last = e.Cursor; e.Type < store.Conversation {
				got = append(got, say(e))
			}
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("%s after %d: replayed\n%s\nnot\n%s", p.Username, after, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func ranges(s *suite) {
	g := s.group(Alice, Bob)
	for i := range 3 { // in and out: 1 text, 2 added, 3 text, 4 removed, ...
		s.say(Alice, g, fmt.Sprint("out", i), fmt.Sprint("out", i))
		s.ok(s.store.AddMember(s.ctx(), Alice, g, Carol, "", 10, nil))
		s.say(Alice, g, fmt.Sprint("in", i), fmt.Sprint("in", i))
		s.ok(s.store.RemoveMember(s.ctx(), Alice, g, Carol))
	}
	if got := s.texts(Carol, g); got != "in0 in1 in2" {
		s.Errorf("carol sees %q", got)
	}
	for r, want := range map[store.Range]string{
		{HasBefore: true, Before: 11, Limit: 1}: "in1 true", {HasAfter: true, After: 4, Limit: 1}: "in1 true", {HasAround: true, Around: 7, Limit: 1}: "in1 true",
		{HasBefore: true, Before: 7, Limit: 5}: "in0 false", {HasAfter: true, After: 3, Limit: 5}: "in1 in2 false",
	} {
		page, err := s.store.History(s.ctx(), Carol.ID, g, r)
		s.ok(err)
		got := ""
		for _, m := range page.Messages {
			got += m.Text + " "
		}
		if got += fmt.Sprint(page.More); got != want {
			s.Errorf("%+v: %s, not %s", r, got, want)
		}
	}
	_, err := s.store.Get(s.ctx(), Carol.ID, g, 1)
	s.is(err, store.ErrMessage)
	sum, err := s.store.Conversation(s.ctx(), Carol.ID, g)
	s.ok(err)
	if sum.Role != "" || sum.LastSeq != 12 {
		s.Errorf("%+v", sum)
	}
}
