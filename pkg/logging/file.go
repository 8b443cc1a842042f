package logging

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// A File is a log file that can be reopened under its name, after a program
// like logrotate moved it away. A line is written whole or not at all, also
// where several goroutines write. It is safe for concurrent use.
type File struct {
	path string

	mu sync.RWMutex // held for reading while a line is written
	f  *os.File     // nil after Close
}

// OpenFile opens the file at path for appending and makes it, with mode 0640,
// where there is none.
func OpenFile(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f}, nil
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return f, nil
}

// Path is the name that the file was opened under.
func (l *File) Path() string { return l.path }

// Write appends p. O_APPEND makes one call to write(2) atomic against others.
func (l *File) Write(p []byte) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.f == nil {
		return 0, fmt.Errorf("write log file: %w", os.ErrClosed)
	}
	return l.f.Write(p)
}

// Reopen opens the file's name anew. Where that fails the old file stays in use.
func (l *File) Reopen() error {
	f, err := open(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return errors.Join(fmt.Errorf("reopen log file: %w", os.ErrClosed), f.Close())
	}
	old := l.f
	l.f = f
	return old.Close()
}

// Close ends the file. Later writes fail; a second Close does nothing.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}
