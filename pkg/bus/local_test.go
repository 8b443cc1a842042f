package bus_test

import (
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/bus/bustest"
)

func TestLocal(t *testing.T) {
	bustest.Run(t, func(*testing.T) (a, b bus.Bus) {
		l := new(bus.Local)
		return l.Node(), l.Node()
	})
}

func TestAlone(t *testing.T) {
	l := new(bus.Local)
	a := l.Node()
	if a.Others() {
		t.Error("one node has others")
	}
	b := l.Node()
	e := bustest.Listen(t, b, a, "x")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if a.Others() {
		t.Error("a node that was closed is still there")
	}
	a.Publish("x", []byte("lost"))
	if got := e.Heard(); len(got) > 0 {
		t.Errorf("a node that was closed hears %q", got)
	}
}

func TestValidTopic(t *testing.T) {
	for _, good := range []string{"a", "chat.lobby", "a-b_c.0", strings.Repeat("a", 200)} {
		if !bus.ValidTopic(good) {
			t.Errorf("%q is a topic", good)
		}
	}
	for _, bad := range []string{"", "a.", "a\n", "a*", "a\x00", strings.Repeat("a", 201)} {
		if bus.ValidTopic(bad) {
			t.Errorf("%q is no topic", bad)
		}
	}
}
