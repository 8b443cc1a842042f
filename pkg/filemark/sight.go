package filemark

import (
	"sync/atomic"
	"time"
)

const (
	// rush is the time within which a file that is asked for Often times and more is not
	// looked at again.
	rush = 10 * time.Millisecond
	// Often is how many looks at a file within rush are enough. Whoever changes a file
	// and asks for it, once or a few times, is told at once.
	Often = 16
)

// A Sight is a path and how the file looked that it led to. It is safe for concurrent
// use.
type Sight struct {
	path string
	mark Mark

	begun atomic.Int64 // the rush, in Unix nanoseconds
	looks atomic.Int32 // in it, that found the file as it was
}

// NewSight returns what path led to when it had the mark m.
func NewSight(path string, m Mark) *Sight { return &Sight{path: path, mark: m} }

// Path is where the file is.
func (s *Sight) Path() string { return s.path }

// Mark is what the file had.
func (s *Sight) Mark() Mark { return s.mark }

// Same reports whether the path leads to the same file, and that looks as it did, at
// now. Of a file that many ask for at once this may be the word of a hundredth of a
// second ago: a look at each time costs as much as writing a small answer.
func (s *Sight) Same(now time.Time) bool {
	at := now.UnixNano()
	if since := at - s.begun.Load(); since < 0 || since >= int64(rush) {
		s.looks.Store(0)
		s.begun.Store(at)
	} else if s.looks.Load() >= Often {
		return true
	}
	if m, ok := At(s.path); !ok || m != s.mark {
		s.looks.Store(0)
		return false
	}
	s.looks.Add(1)
	return true
}
