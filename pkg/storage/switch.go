package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/postgres"
)

// A Step is what the folder of one place is told at the end of a move. It can be
// done again.
type Step struct {
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	File string `json:"file"` // of SQLite
	Rows *Way   `json:"rows,omitempty"`
	Blob *Way   `json:"blobs,omitempty"`
}

// A Way is from one place to another, "" is the folder.
type Way struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (s Step) place(dataDir string) Place {
	return Place{Kind: s.Kind, Name: s.Name, Dir: filepath.Join(dataDir, s.Kind, s.Name)}
}

// halfEnd is the end of the name of a database of SQLite that is being filled.
const halfEnd = ".moving"

// aside is the end of the names of what a move has left behind.
func (m *Mark) aside() string { return ".moved-" + m.stamp("-") }

// stamp is a move's own.
func (m *Mark) stamp(between string) string {
	return m.Begun.Format("20060102150405") + between + strings.ToLower(m.ID[:min(len(m.ID), 4)])
}

// complete does what is left of a switch, and takes the mark away.
func (m *Mark) complete(ctx context.Context, dataDir string, to Config) error {
	if m.Stage != Switching || !m.Leads(to) {
		return fmt.Errorf("the data of %s has moved to %s: put that into the storage block", dataDir, m.Target())
	}
	for _, s := range m.Steps {
		p := s.place(dataDir)
		if err := s.tell(p, m.aside()); err != nil {
			return fmt.Errorf("switch %s: %w", p.who(), err)
		}
		if s.Rows != nil && s.Rows.To != "" {
			if err := postgres.Disclaim(ctx, to.Database.Reveal(), p.schema(), m.ID); err != nil {
				return fmt.Errorf("switch %s: %w", p.who(), err)
			}
		}
	}
	return removeMark(dataDir)
}

func (s Step) tell(p Place, end string) error {
	if s.Rows != nil {
		path := filepath.Join(p.Dir, s.File)
		if s.Rows.From == "" {
			for _, part := range []string{"", "-wal", "-shm"} {
				if err := rename(path+part, path+end+part); err != nil {
					return err
				}
			}
			if err := remove(path + ".lock"); err != nil {
				return err
			}
		}
		if s.Rows.To == "" {
			if err := rename(path+halfEnd, path); err != nil {
				return err
			}
			if err := remove(path + halfEnd + ".lock"); err != nil {
				return err
			}
		}
		if err := setMark(filepath.Join(p.Dir, databaseMark), s.Rows.To); err != nil {
			return err
		}
	}
	if s.Blob == nil {
		return nil
	}
	if s.Blob.From == "" {
		if err := rename(filepath.Join(p.Dir, blobFolder), filepath.Join(p.Dir, blobFolder+end)); err != nil {
			return err
		}
	}
	return setMark(filepath.Join(p.Dir, blobMark), s.Blob.To)
}

// left are the names of what a switch leaves behind.
func (s Step) left(p Place, m *Mark) (names []string) {
	if s.Rows != nil {
		if s.Rows.From == "" {
			names = append(names, filepath.Join(p.Dir, s.File)+m.aside())
		} else {
			names = append(names, strings.Replace(s.Rows.From, "schema "+p.schema(), "schema "+m.schemaAside(p), 1))
		}
	}
	if s.Blob != nil {
		if s.Blob.From == "" {
			names = append(names, filepath.Join(p.Dir, blobFolder)+m.aside())
		} else {
			names = append(names, s.Blob.From)
		}
	}
	return names
}

// schemaAside is the name of a schema that was left behind, as PostgreSQL takes it.
func (m *Mark) schemaAside(p Place) string {
	name := p.schema()
	return strings.ToValidUTF8(name[:min(len(name), 36)], "") + "_moved_" + m.stamp("_")
}

// rename renames what is there; it may have been done before.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put aside: %w", err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put aside: %w", err)
	}
	return nil
}

// setMark notes where something is; "": in the folder. What was renamed in it before
// is durable then, too.
func setMark(path, at string) error {
	var err error
	if at != "" {
		err = durable.WriteFile(path, 0o600, []byte(at+"\n"))
	} else if err = remove(path); err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("note where the data is: %w", err)
	}
	return nil
}
