package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqlite"
)

// found is what lies in a data folder. Paths are relative to it, in order.
type found struct {
	databases []string
	stores    []store
	files     []string // all else
}

// A store is a folder of blobs.
type store struct {
	dir      string
	database string
	refs     []Column
}

// passing are names of files that mean something to running programs only, and
// of copies of databases from before a migration.
var passing = regexp.MustCompile(`^(lock|.*\.lock|\..*\.tmp-[^/]*|.*\.v[0-9]+\.bak(\.tmp)?|.*-wal|.*-shm|.*-journal)$`)

// aside is how a restore calls what was in the folder before.
const aside = "before-restore-"

type scanner struct {
	root    string
	known   func(string) Folder
	isDB    map[string]bool // known databases, which must not be opened again
	leave   map[string]bool
	visited []os.FileInfo // the folders above, for links that lead back to one
	found   found
}

// scan looks for what there is to be copied. Databases that isDB has are not
// opened: closing a file takes this process's locks off it.
func scan(root string, known func(string) Folder, isDB map[string]bool) (found, error) {
	s := &scanner{root: root, known: known, isDB: isDB, leave: map[string]bool{}}
	if err := s.folder("."); err != nil {
		return found{}, fmt.Errorf("read the data folder: %w", err)
	}
	return s.found, nil
}

func (s *scanner) folder(dir string) error {
	if strings.Count(dir, "/") >= maxDepth-1 {
		return fmt.Errorf("%s: there are too many folders in each other", filepath.Join(s.root, dir))
	}
	here, err := os.Stat(filepath.Join(s.root, dir))
	if err != nil {
		return gone(err)
	}
	if slices.ContainsFunc(s.visited, func(above os.FileInfo) bool { return os.SameFile(above, here) }) {
		return nil
	}
	s.visited = append(s.visited, here)
	defer func() { s.visited = s.visited[:len(s.visited)-1] }()
	declared := s.declare(dir)
	entries, err := os.ReadDir(filepath.Join(s.root, dir))
	if err != nil {
		return gone(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case passing.MatchString(e.Name()), strings.HasPrefix(e.Name(), workPrefix), dir == "." && strings.HasPrefix(e.Name(), aside), s.leave[name]:
			continue
		}
		// Links are followed: a folder may lie on another disk.
		fi, err := os.Stat(filepath.Join(s.root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case fi.IsDir():
			if err := s.folder(name); err != nil {
				return err
			}
		case fi.Mode().IsRegular():
			if err := checkPath(name); err != nil {
				return fmt.Errorf("a file cannot be in a backup because of its name: %q", name)
			}
			s.file(name, fi, declared)
		}
	}
	return nil
}

// declare notes what is known of a folder and returns its databases.
func (s *scanner) declare(dir string) (databases []string) {
	f := s.known(dir)
	for _, l := range f.Leave {
		s.leave[path.Join(dir, l)] = true
	}
	for _, d := range f.Databases {
		database := path.Join(dir, d.Path)
		databases = append(databases, database)
		if d.Blobs == "" {
			continue
		}
		blobs := path.Join(dir, d.Blobs)
		s.leave[blobs] = true
		if fi, err := os.Stat(filepath.Join(s.root, blobs)); err == nil && fi.IsDir() {
			s.found.stores = append(s.found.stores, store{blobs, database, d.Refs})
		}
	}
	return databases
}

func (s *scanner) file(name string, fi os.FileInfo, declared []string) {
	full := filepath.Join(s.root, name)
	switch {
	case s.isDB[name], slices.Contains(declared, name) && fi.Size() > 0:
		s.found.databases = append(s.found.databases, name)
	case slices.Contains(declared, name): // it is being made
	case sqlite.IsDatabase(full):
		s.found.databases = append(s.found.databases, name)
	default:
		s.found.files = append(s.found.files, name)
	}
}

// gone takes it as no error that something went while it was looked at.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
