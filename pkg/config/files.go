package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

const (
	maxFile   = 1 << 20 // bytes of one file, and of what file() reads
	maxSecret = 64 << 10
	maxFiles  = 256
)

// files is how a load reads: from the disk, or from a saved copy under the
// paths of the originals.
type files struct {
	read func(path string, limit int64) ([]byte, error)
	glob func(pattern string) ([]string, error)
}

func disk() files { return files{read: readFile, glob: filepath.Glob} }

// saved reads from a copy and sees nothing else.
func saved(texts map[string][]byte) files {
	return files{
		read: func(path string, limit int64) ([]byte, error) {
			b, ok := texts[path]
			if !ok {
				return nil, fs.ErrNotExist
			}
			if int64(len(b)) > limit {
				return nil, errTooLarge(limit)
			}
			return b, nil
		},
		glob: func(pattern string) (found []string, err error) {
			for path := range texts {
				ok, err := filepath.Match(pattern, path)
				if err != nil {
					return nil, err
				}
				if ok {
					found = append(found, path)
				}
			}
			sort.Strings(found)
			return found, nil
		},
	}
}

func errTooLarge(limit int64) error { return fmt.Errorf("it is larger than %d KiB", limit>>10) }

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path) // before opening: a FIFO would block
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder, not a file")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errTooLarge(limit)
	}
	return b, nil
}

// reason is why a file could not be read, without naming it again.
func reason(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not read it"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}
