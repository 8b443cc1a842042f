package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// A Part is what a place has.
type Part struct {
	Place
	File       string // of SQLite, in the folder
	Schema     int    // newest migration of SQLite that this program knows
	Migrations func(sqldb.Dialect) (fs.FS, error)
	Leave      []string                                     // tables that are not copied
	Finish     func(ctx context.Context, db sqldb.DB) error // makes a copy fit for the store; nil: it is
	Files      bool                                         // it has blobs
}

// A Move takes what a data folder has from the engines of one block to those of
// another: with Pass while services write to the old place, as often as wanted, and
// with Complete when nobody does. Until Complete has compared everything the old
// place is the truth, and nobody can open the new one; from then on it is the other
// way round. A move that ends in between goes on with the next one.
type Move struct {
	DataDir  string
	From, To Config
	Parts    []Part
	Log      zerolog.Logger
	// Tell, where it is set, is told now and then how much of what there is by now.
	Tell func(what string, done int64)

	mark  *Mark
	lease *durable.Lease
}

// Done is what a move has done, or found.
type Done struct {
	Tables        int
	Rows          int64 // in the old place
	Changed       int64 // rows that were written or removed in the new one
	Files, Bytes  int64 // in the old place
	Copied, Moved int64 // files that were copied, and their bytes
	Sum           string
	Left          []string // what was left behind, by name
}

// Steps are what is to be moved; none: everything is there already.
func (m *Move) Steps() (steps []Step, err error) {
	for _, p := range m.Parts {
		s := Step{Kind: p.Kind, Name: p.Name, File: p.File}
		if s.Rows, err = m.rowsWay(p); err != nil {
			return nil, err
		}
		if p.Files {
			if s.Blob, err = m.blobWay(p); err != nil {
				return nil, err
			}
		}
		if s.Rows != nil || s.Blob != nil {
			steps = append(steps, s)
		}
	}
	return steps, nil
}

func (m *Move) rowsWay(p Part) (*Way, error) {
	have, err := DatabaseElsewhere(p.Dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(p.Dir, p.File)
	_, err = os.Stat(path)
	if have == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was never used
	}
	there := err == nil
	want, err := m.To.database(p.Place)
	if err != nil || have == want {
		return nil, err
	}
	is, err := m.From.database(p.Place)
	switch {
	case err != nil:
		return nil, err
	case is != have:
		return nil, fmt.Errorf("the data of %s are in %s, not in %s: begin with the config that the daemon had", p.who(), or(have, p.Dir), or(is, p.Dir))
	case want == "" && there:
		return nil, fmt.Errorf("%s is there already, though the data of %s are in %s; look what it is, and take it away", path, p.who(), have)
	}
	return &Way{From: have, To: want}, nil
}

func (m *Move) blobWay(p Part) (*Way, error) {
	have, err := Elsewhere(p.Dir)
	if err != nil {
		return nil, err
	}
	if have == "" {
		if err := hasBlobs(filepath.Join(p.Dir, blobFolder)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("look for the files of %s: %w", p.who(), err)
		}
	}
	want, err := m.To.bucket(p.Place)
	if err != nil || have == want {
		return nil, err
	}
	is, err := m.From.bucket(p.Place)
	if err == nil && is != have {
		err = fmt.Errorf("the files of %s are in %s, not in %s: begin with the config that the daemon had", p.who(), or(have, p.Dir), or(is, p.Dir))
	}
	return &Way{From: have, To: want}, err
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// ErrMoving: another process is at work on the move.
var ErrMoving = errors.New("portico migrate is at work")

// Begin notes that the move goes on, or begins. The caller ends it.
func (m *Move) Begin() (err error) {
	m.lease, err = durable.Acquire(filepath.Join(m.DataDir, MarkName+".lock"))
	if errors.Is(err, durable.ErrLeased) {
		return fmt.Errorf("%w: %w", ErrMoving, err)
	}
	if err != nil {
		return fmt.Errorf("begin the move: %w", err)
	}
	if m.mark, err = ReadMark(m.DataDir); err != nil {
		return errors.Join(err, m.End())
	}
	if m.mark == nil {
		m.mark = newMark(m.From, m.To)
		err = m.mark.write(m.DataDir)
	} else if !m.mark.Leads(m.To) {
		err = fmt.Errorf("a move to %s was begun on %s: go on with that one, or give it up with portico migrate --abandon", m.mark.Target(), m.mark.Begun.Format("2006-01-02"))
	}
	if err != nil {
		return errors.Join(err, m.End())
	}
	return nil
}

// End ends what Begin began; the move can go on later.
func (m *Move) End() error {
	if m.lease == nil {
		return nil
	}
	lease := m.lease
	m.lease = nil
	return lease.Release()
}

// Copied notes that passes have brought everything over but what was written since.
func (m *Move) Copied() error {
	m.mark.Stage = Copied
	return m.mark.write(m.DataDir)
}

// Abandon gives up a move that was not completed: what was copied into schemas and
// databases is removed; copies of files stay.
func Abandon(ctx context.Context, dataDir string, to Config, parts []Part) error {
	m := &Move{DataDir: dataDir, To: to}
	var err error
	if m.lease, err = durable.Acquire(filepath.Join(dataDir, MarkName+".lock")); err != nil {
		return fmt.Errorf("%w: %w", ErrMoving, err)
	}
	defer func() { _ = m.End() }() // the process ends
	if m.mark, err = ReadMark(dataDir); err != nil || m.mark == nil {
		return err
	}
	switch {
	case m.mark.Stage == Switching:
		return fmt.Errorf("the data has moved to %s: there is nothing to give up; start portico with that in the storage block", m.mark.Target())
	case !m.mark.Leads(to):
		return fmt.Errorf("the move that was begun goes to %s: name the file that says so with --to", m.mark.Target())
	}
	for _, p := range parts {
		if to.Database != "" {
			if err := postgres.Drop(ctx, to.Database.Reveal(), p.schema(), m.mark.ID); err != nil {
				return err
			}
		}
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			if err := remove(filepath.Join(p.Dir, p.File) + halfEnd + end); err != nil {
				return err
			}
		}
	}
	return removeMark(dataDir)
}
