// Package backup copies a data folder while a daemon runs on it, as of one
// moment, verifies the copy, and puts one back. It does not know what services
// keep, it is told; it copies no config file, and it encrypts nothing.
//
// A backup is a tar archive, compressed with zstd, or a folder with the same
// files:
//
//	portico-backup.json  what it is: see Header
//	data/...             the files of the data folder, in the order of their names
//	SHA256SUMS           of all files before it, as sha256sum writes them
//
// First the deletion of blobs is held up, then all databases for a moment, in
// which each gets a transaction that reads; from those they are copied. Blobs are
// durable before the rows that need them are, so those of the copied rows are
// there. No lock of the daemon's is needed, and it is held up for milliseconds.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The names in a backup.
const (
	headerName = "portico-backup.json"
	sumsName   = "SHA256SUMS"
	dataPrefix = "data/"
)

// format is the version of the backup's own form. A restore refuses a newer one.
const format = 1

// The bounds of what is read and written. What they allow is far above what a
// data folder has.
const (
	maxHeader  = 1 << 20
	maxFiles   = 1 << 30
	maxBytes   = 1 << 50
	maxPath    = 1024 // bytes of a name with its folders
	maxDepth   = 32
	maxMissing = 1000 // names that are listed
)

// Known is what the program knows of data folders.
type Known struct {
	// Program is its version, for people.
	Program string
	// Layout is the newest that it knows; see the file VERSION.
	Layout int
	// Folder tells what is kept in a folder of the data folder, such as
	// "accounts" or "chat/team". Where nothing is known, all of it is.
	Folder func(dir string) Folder
}

// Folder is what is known of a folder. Paths are relative to it.
type Folder struct {
	Databases []Database
	Leave     []string // folders that are not copied
	Mark      string   // an empty file that a restore makes there; "": none
}

// A Database and the blobs that it refers to.
type Database struct {
	Path   string
	Schema int    // the newest that the program knows
	Blobs  string // folder of a blob.Dir; "": none
	Refs   []Column
}

// A Column of a table.
type Column struct{ Table, Name string }

// Header says what a backup is, before its first byte of data.
type Header struct {
	Format    int       `json:"format"`
	Program   string    `json:"portico"` // version that made it
	Created   time.Time `json:"created"` // the moment that it shows
	Layout    int       `json:"layout"`
	Files     int64     `json:"files"` // below data
	Bytes     int64     `json:"bytes"` // of those
	Databases []Schema  `json:"databases"`
	// Missing are files that databases refer to and that were not there when the
	// backup was made, the first of them.
	Missing []string `json:"missing,omitempty"`
}

// Schema is the version of a database.
type Schema struct {
	Path   string `json:"path"` // in the data folder
	Schema int    `json:"schema"`
}

// Errors that callers branch on.
var (
	// ErrNewer: the backup was made by a newer program.
	ErrNewer = errors.New("made by a newer portico")
	// ErrDamaged: the backup is not what it was, or is none.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrExists: there is something where the result should be.
	ErrExists = errors.New("there is something already")
)

func damaged(f string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(f, args...))
}

// Progress is told now and then how far the work is, from one goroutine.
type Progress func(what string, done, total int64)

// parseHeader reads what a backup says about itself, and refuses what nobody
// could mean.
func parseHeader(r io.Reader) (h Header, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxHeader+1))
	if err != nil {
		return h, fmt.Errorf("read the backup: %w", err)
	}
	if len(b) > maxHeader {
		return h, damaged("%s is larger than %d bytes", headerName, maxHeader)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, damaged("%s: %v", headerName, err)
	}
	switch {
	case h.Format > format:
		return h, fmt.Errorf("%w: its form is number %d (portico %s), this program knows up to %d; restore it with that one", ErrNewer, h.Format, printable(h.Program), format)
	case h.Format < 1, h.Layout < 1, h.Files < 0, h.Files > maxFiles, h.Bytes < 0, h.Bytes > maxBytes:
		return h, damaged("%s has numbers that cannot be", headerName)
	}
	for _, d := range h.Databases {
		if err := checkPath(d.Path); err != nil {
			return h, err
		}
	}
	return h, nil
}

// check refuses what the program would not understand once it is in place.
func (h Header) check(k Known) error {
	if h.Layout > k.Layout {
		return fmt.Errorf("%w: its data folder has layout %d (portico %s), this program knows up to %d; restore it with that one, or a newer one", ErrNewer, h.Layout, printable(h.Program), k.Layout)
	}
	for _, d := range h.Databases {
		known, ok := k.schema(d.Path)
		if ok && d.Schema > known {
			return fmt.Errorf("%w: the schema of %s is number %d (portico %s), this program knows up to %d; restore it with that one, or a newer one", ErrNewer, d.Path, d.Schema, printable(h.Program), known)
		}
	}
	return nil
}

// schema is the newest that is known of the database at a path in the data
// folder.
func (k Known) schema(p string) (n int, ok bool) {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		for _, d := range k.Folder(dir).Databases {
			if path.Join(dir, d.Path) == p {
				return d.Schema, true
			}
		}
	}
	return 0, false
}

// checkPath refuses names that could leave the folder they are put into, that
// sha256sum would write in another way, or that no file system takes.
func checkPath(p string) error {
	if !fs.ValidPath(p) || p == "." || !filepath.IsLocal(p) || len(p) > maxPath || strings.Count(p, "/") >= maxDepth || !utf8.ValidString(p) ||
		strings.Contains(p, `\`) || strings.ContainsFunc(p, unicode.IsControl) {
		return damaged("the name %q cannot be", p[:min(len(p), 100)])
	}
	return nil
}

// printable is a text of the backup's as it may be shown.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s[:min(len(s), 60)])
}

// readLayout reads the version of a data folder, which is what tells one from
// another folder.
func readLayout(dir string, newest int) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is no data folder of portico: it has no file VERSION; name the right one with --data-dir", dir)
	}
	if err != nil {
		return 0, fmt.Errorf("read the data folder: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the file VERSION in %s holds no number", dir)
	}
	if n > newest {
		return 0, fmt.Errorf("%s was written by a newer portico (layout %d, this one knows %d); make the backup with that one", dir, n, newest)
	}
	return n, nil
}
