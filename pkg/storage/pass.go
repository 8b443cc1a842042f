package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/postgres"
)

// Pass copies what the new place lacks, while services may write to the old one.
func (m *Move) Pass(ctx context.Context) (Done, error) {
	done, _, err := m.all(ctx, false)
	return done, err
}

// Complete copies what is missing, compares everything, and switches. Nobody else
// may have the data folder open. After an error the old place is the truth, unless
// the error says otherwise.
func (m *Move) Complete(ctx context.Context) (done Done, err error) {
	if m.mark.Stage == Switching { // it was interrupted then
		done.Left = m.left()
		return done, m.mark.complete(ctx, m.DataDir, m.To)
	}
	done, held, err := m.all(ctx, true)
	defer func() {
		for _, h := range held {
			err = errors.Join(err, h.end())
		}
	}()
	if err != nil {
		return done, err
	}
	for _, h := range held {
		if h.hold == nil {
			continue
		}
		claim := postgres.Claim{ID: m.mark.ID, Text: fmt.Sprintf("what was in it has moved to %s of one node: this one must not go on without it", m.mark.Target())}
		if err := h.hold.Move(ctx, claim, m.mark.schemaAside(h.place)); err != nil {
			return done, err
		}
	}
	m.mark.Stage = Switching
	if err := m.mark.write(m.DataDir); err != nil {
		return done, err
	}
	done.Left = m.left()
	for i, h := range held { // files are renamed that are open
		if err := h.end(); err != nil {
			return done, err
		}
		held[i].end = func() error { return nil }
	}
	return done, m.mark.complete(ctx, m.DataDir, m.To)
}

func (m *Move) left() (names []string) {
	for _, s := range m.mark.Steps {
		names = append(names, s.left(s.place(m.DataDir), m.mark)...)
	}
	return names
}

// A held is an old place that nobody writes to until the end.
type held struct {
	place Place
	hold  *postgres.Hold // nil: it needs none
	end   closer
}

// all goes through the parts. Also with an error it returns what the caller ends.
func (m *Move) all(ctx context.Context, alone bool) (done Done, all []held, err error) {
	steps, err := m.Steps()
	if err != nil {
		return done, nil, err
	}
	m.mark.Steps = steps
	sums := sha256.New()
	for _, s := range steps {
		p := m.part(s)
		if s.Rows != nil {
			r, hold, end, err := m.rows(ctx, p, *s.Rows, alone)
			if err != nil {
				return done, all, fmt.Errorf("move the data of %s: %w", p.who(), err)
			}
			if end != nil {
				all = append(all, held{p.Place, hold, end})
			}
			done.Tables, done.Rows, done.Changed = done.Tables+r.Tables, done.Rows+r.Rows, done.Changed+r.Changed
			sums.Write([]byte(r.Sum))
		}
		if s.Blob != nil {
			f, err := m.files(ctx, p, alone)
			if err != nil {
				return done, all, fmt.Errorf("move the files of %s: %w", p.who(), err)
			}
			done.Files, done.Bytes, done.Copied, done.Moved = done.Files+f.n, done.Bytes+f.bytes, done.Copied+f.copied, done.Moved+f.moved
		}
	}
	done.Sum = hex.EncodeToString(sums.Sum(nil))
	return done, all, nil
}

// part is the one that a step is about.
func (m *Move) part(s Step) Part {
	for _, p := range m.Parts {
		if p.Kind == s.Kind && p.Name == s.Name {
			return p
		}
	}
	return Part{} // steps are made of parts
}
