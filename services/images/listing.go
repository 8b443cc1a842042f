package images

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/filemark"
)

// A listing is what a folder holds, in order. It is never changed.
type listing struct {
	mark    filemark.Mark // of the folder
	files   []string
	folders []string // at most maxFolders
}

const (
	// maxEntries is how many names of a folder are read and sorted; of more, an
	// arbitrary part is listed.
	maxEntries = 200_000
	// maxListings is what all that are remembered may take together, in bytes.
	maxListings = 16 << 20
	readAtOnce  = 1024 // entries of a folder
)

// weight is what l takes in memory, in bytes.
func (l *listing) weight() uint32 {
	n := 128
	for _, list := range [][]string{l.files, l.folders} {
		for _, name := range list {
			n += 24 + len(name)
		}
	}
	return uint32(n)
}

// listing reads the names of a folder, from memory where the folder has not
// changed since. What is hidden is left out.
func (s *Service) listing(root *os.Root, name string) (*listing, error) {
	dir, fi, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if !fi.IsDir() {
		return nil, errNotFound
	}
	m, ok := filemark.Of(fi)
	if l, there := s.listings.GetIfPresent(name); there && ok && l.mark == m {
		return l, nil
	}
	l := &listing{mark: m}
	for n := 0; n < maxEntries; {
		entries, err := dir.ReadDir(min(readAtOnce, maxEntries-n))
		n += len(entries)
		l.add(entries)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list folder: %w", err)
		}
	}
	slices.Sort(l.files)
	slices.Sort(l.folders)
	l.folders = l.folders[:min(len(l.folders), maxFolders)]
	if ok && m.Settled(time.Now()) {
		s.listings.Set(name, l)
	}
	return l, nil
}

func (l *listing) add(entries []fs.DirEntry) {
	for _, e := range entries {
		switch {
		case !visible(e.Name()):
		case e.IsDir():
			l.folders = append(l.folders, e.Name())
		default:
			l.files = append(l.files, e.Name())
		}
	}
}
