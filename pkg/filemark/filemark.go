// Package filemark tells whether a file is still the one that was looked at, by
// one system call and without opening it. It does not say what is in it.
package filemark

import (
	"io/fs"
	"time"
)

// A Mark is what the kernel says of a file or folder without opening it. Who changes
// one changes its mark, also where size and time stay or are set back.
type Mark struct {
	dev, ino     uint64
	size         int64 // bytes
	mtime, ctime int64 // Unix nanoseconds
}

// settled is the age from which a mark tells two contents apart: clocks of file
// systems tick in up to 10 ms.
const settled = 100 * time.Millisecond

// Settled reports whether the next change of the file will change the mark, which was
// taken at now.
func (m Mark) Settled(now time.Time) bool {
	return now.UnixNano()-max(m.mtime, m.ctime) > int64(settled)
}

// At looks at the file that path leads to. It is not ok where there is none that is
// regular, and on systems other than Linux.
func At(path string) (m Mark, ok bool) { return at(path) }

// Of is the mark of an opened file or folder. It is not ok on systems other than
// Linux.
func Of(fi fs.FileInfo) (m Mark, ok bool) { return of(fi) }
