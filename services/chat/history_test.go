package chat_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestHistoryRanges(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	for i := 1; i <= 10; i++ {
		a.say(conv, fmt.Sprint(i), fmt.Sprint(i))
	}
	for query, want := range map[string]string{
		"":                   "1 2 3 4 5 6 7 8 9 10",
		"limit=3":            "8 9 10 more",
		"before=4":           "1 2 3",
		"before=4&limit=2":   "2 3 more",
		"before=1":           "",
		"before=0":           "",
		"before=99&limit=1":  "10 more",
		"after=8":            "9 10",
		"after=0&limit=2":    "1 2 more",
		"after=10":           "",
		"around=5&limit=1":   "5 more",
		"around=5&limit=4":   "4 5 6 7 more",
		"around=1&limit=4":   "1 2 3 4 more",
		"around=10&limit=20": "1 2 3 4 5 6 7 8 9 10",
		"limit=1000":         "1 2 3 4 5 6 7 8 9 10",
	} {
		var h struct {
			Messages []event
			More     bool
		}
		a.call("GET", "/v1/conversations/"+conv+"/messages?"+query, "", 200, &h)
		var got []string
		for _, m := range h.Messages {
			got = append(got, m.Text)
		}
		if h.More {
			got = append(got, "more")
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, not %q", query, s, want)
		}
	}
}

func TestHistoryPagesEndAtTheirSize(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	s := a.connect()
	text := strings.Repeat("x", 16<<10)
	for i := range 40 {
		s.send(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":%q}}`, i, conv, i, text)
	}
	for range 40 {
		s.next("ack", isAck)
	}
	seen, before := 0, ""
	for {
		var h struct {
			Messages []event
			More     bool
		}
		a.call("GET", "/v1/conversations/"+conv+"/messages?limit=200"+before, "", 200, &h)
		if seen += len(h.Messages); len(h.Messages) > 32 {
			t.Errorf("a page of %d texts of 16 KiB", len(h.Messages))
		}
		if !h.More {
			break
		}
		before = fmt.Sprintf("&before=%d", h.Messages[0].Seq)
	}
	if seen != 40 {
		t.Errorf("%d of 40 messages over the pages", seen)
	}
}

func TestListPages(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	var want []string
	for i := range 7 {
		name := fmt.Sprint("friend", i)
		w.join(name)
		conv := a.with(name)
		want = append([]string{conv}, want...)
	}
	a.say(want[6], "1", "the oldest is the newest now")
	want = append([]string{want[6]}, want[:6]...)
	var got []string
	for next := ""; ; {
		var list struct {
			Conversations []struct{ ID string }
			Next          string
		}
		a.call("GET", "/v1/conversations?limit=3&after="+next, "", 200, &list)
		for _, c := range list.Conversations {
			got = append(got, c.ID)
		}
		if next = list.Next; next == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, not %v", got, want)
	}
}
