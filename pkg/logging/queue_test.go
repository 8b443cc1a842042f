package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/logging"
)

// stalled takes nothing until go on is closed.
type stalled struct {
	begun sync.Once
	first chan struct{} // closed when somebody writes
	goOn  chan struct{}
	mu    sync.Mutex
	got   bytes.Buffer
	sizes []int
}

func newStalled() *stalled { return &stalled{first: make(chan struct{}), goOn: make(chan struct{})} }

func (s *stalled) Write(p []byte) (int, error) {
	s.begun.Do(func() { close(s.first) })
	<-s.goOn
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes = append(s.sizes, len(p))
	return s.got.Write(p)
}

// Who logs does not wait for who reads; what finds no room is told of.
func TestDetachedLogNeverWaits(t *testing.T) {
	out := newStalled()
	root := logging.New(out)
	root.Detach()
	log := root.Logger()
	log.Info().Msg("first")
	<-out.first
	const n = 5000
	for i := range n {
		log.Info().Int("n", i).Str("ballast", strings.Repeat("x", 400)).Msg("line")
	}
	close(out.goOn)
	if err := root.Close(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	lines, missing, last := 0, 0, -1
	for line := range strings.Lines(out.got.String()) {
		var e struct {
			Message  string
			N, Lines int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %.200s", err, line)
		}
		switch e.Message {
		case "line":
			if e.N <= last {
				t.Fatalf("%d after %d", e.N, last)
			}
			lines, last = lines+1, e.N
		case "the log was not read fast enough; lines are missing here":
			missing += e.Lines
		}
	}
	if lines+missing != n || missing == 0 || lines < 1000 {
		t.Errorf("%d lines, %d told of as missing, of %d", lines, missing, n)
	}
	for _, size := range out.sizes {
		if size > 4<<10 {
			t.Errorf("%d bytes in one write: a pipe may tear them", size)
		}
	}
}

func TestCloseOfALogThatNobodyReads(t *testing.T) {
	out := newStalled()
	defer close(out.goOn)
	root := logging.New(out)
	root.Detach()
	log := root.Logger()
	log.Info().Msg("first")
	if err := root.Close(20 * time.Millisecond); !errors.Is(err, logging.ErrStuck) {
		t.Errorf("%v", err)
	}
	log.Info().Msg("after the end") // and nobody is hurt
}

func TestLongLinesStayWhole(t *testing.T) {
	out := newStalled()
	close(out.goOn)
	q := logging.NewQueue(out, nil)
	want := ""
	for i := range 50 {
		line := fmt.Sprintf("%d %s\n", i, strings.Repeat("y", i*200))
		want += line
		if _, err := q.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(10 * time.Second); err != nil || out.got.String() != want {
		t.Errorf("%v; %d bytes of %d", err, out.got.Len(), len(want))
	}
	if _, err := q.Write([]byte("x\n")); err == nil {
		t.Error("a line after the end was taken")
	}
}
