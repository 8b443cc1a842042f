package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// A sumFile is the list of checksums that a backup ends with, in the making: on
// disk, because it grows with the number of files, and hashed itself.
type sumFile struct {
	f *os.File
	w *bufio.Writer
	h hash.Hash
	n int64
}

// newSums makes one in a folder that goes with the work.
func newSums(dir string) (*sumFile, error) {
	f, err := os.CreateTemp(dir, "sums-*")
	if err != nil {
		return nil, fmt.Errorf("note checksums: %w", err)
	}
	return &sumFile{f: f, w: bufio.NewWriter(f), h: sha256.New()}, nil
}

func line(sum [sha256.Size]byte, path string) string {
	return hex.EncodeToString(sum[:]) + "  " + path + "\n"
}

func (s *sumFile) add(sum [sha256.Size]byte, path string) error {
	l := line(sum, path)
	s.n += int64(len(l))
	_, _ = io.WriteString(s.h, l) // never fails
	if _, err := s.w.WriteString(l); err != nil {
		return fmt.Errorf("note checksums: %w", err)
	}
	return nil
}

// sum is the SHA-256 of the list so far.
func (s *sumFile) sum() string { return hex.EncodeToString(s.h.Sum(nil)) }

// reader reads the list from its beginning.
func (s *sumFile) reader() (r io.Reader, size int64, err error) {
	if err := s.w.Flush(); err != nil {
		return nil, 0, fmt.Errorf("note checksums: %w", err)
	}
	return io.NewSectionReader(s.f, 0, s.n), s.n, nil
}

// differs names the first file whose line is not that of the list in r, which is
// the backup's own.
func (s *sumFile) differs(r io.Reader) error {
	mine, _, err := s.reader()
	if err != nil {
		return err
	}
	a, b := bufio.NewScanner(mine), bufio.NewScanner(io.LimitReader(r, s.n+1))
	for {
		more, there := a.Scan(), b.Scan()
		switch {
		case !more && !there:
			return firstOf(a.Err(), b.Err())
		case !there:
			return damaged("its list of files ends early")
		case !more:
			return damaged("its list has files that are not there")
		case a.Text() != b.Text():
			_, name, _ := cut2(a.Text())
			return damaged("%s is not what it was", printable(name))
		}
	}
}

func (s *sumFile) close() error { return s.f.Close() }

// A sumList is the list of a folder, read once, in its order.
type sumList struct {
	f         *os.File
	lines     *bufio.Scanner
	sum, name string // of the line that is next
}

func openSums(dir string) (*sumList, error) {
	f, err := os.Open(filepath.Join(dir, sumsName))
	if err != nil {
		return nil, fmt.Errorf("read the backup before: %w", err)
	}
	return &sumList{f: f, lines: bufio.NewScanner(f)}, nil
}

// has reports whether the list has a file of data with that checksum. It is asked
// in the order of the names.
func (l *sumList) has(name string, sum [sha256.Size]byte) bool {
	for l.name < name {
		if !l.lines.Scan() { // a list that ends early has no more
			return false
		}
		if l.sum, l.name, _ = cut2(l.lines.Text()); l.name == headerName {
			l.name = "" // the only one that is not in the order
		}
	}
	return l.name == name && l.sum == hex.EncodeToString(sum[:])
}

func (l *sumList) close() error { return l.f.Close() }

func cut2(l string) (sum, name string, ok bool) {
	if len(l) < 2*sha256.Size+3 || l[2*sha256.Size:2*sha256.Size+2] != "  " {
		return "", "", false
	}
	return l[:2*sha256.Size], l[2*sha256.Size+2:], true
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
