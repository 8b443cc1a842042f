// Package store keeps a chat's conversations in SQLite: messages, positions and
// marks. It knows nothing of accounts beyond an id and a name, of rights beyond
// membership, or of connections: what was committed it hands to one function,
// in order.
package store

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The errors that callers branch on.
var (
	ErrNotFound    = errors.New("no such conversation")         // or one is no member of it
	ErrConflict    = errors.New("cid used for another body")    //
	ErrReplyTo     = errors.New("no such message to reply to")  //
	ErrUnavailable = errors.New("the store cannot do this now") // nothing is known of what was stored
	ErrFull        = errors.New("there is no room to store it") // nothing was stored
)

// Limited is the error of a send that came too soon.
type Limited struct{ After time.Duration }

func (e *Limited) Error() string { return fmt.Sprintf("too many sends; again after %s", e.After) }

// ConvID is a conversation's key. It is never used again.
type ConvID int64

// A Person is who takes part: the account's id and username.
type Person struct {
	ID       int64
	Username string
}

// EventType says what an event is about. Numbers are on disk.
type EventType uint8

// The types of events. Those without a number on disk are read off the state:
// of many that a client missed it gets one, with what holds now.
const (
	Message      EventType = 1
	Conversation EventType = 100 // it appeared in one's list
	Mark         EventType = 101 // a member received or read more
)

// An Event is one position of the log.
type Event struct {
	Cursor  int64
	Type    EventType
	Conv    ConvID
	Seq     int64 // of Message
	CID     string
	From    Person // sender, or whose marks they are
	At      int64  // Unix milliseconds
	Text    string
	ReplyTo int64 // 0: none
	Recv    int64 // of Mark
	Read    int64
	Summary *Summary // of Conversation: as its one receiver sees it

	// Audience is who gets the event. It is set on committed events only, not
	// on those that Load reads for one person.
	Audience []int64
}

// A Summary is a conversation as one member sees it.
type Summary struct {
	ID           ConvID
	Kind         string
	Title        string
	Members      []string // usernames, the first 64 by name
	MembersCount int
	Role         string
	FromSeq      int64
	LastSeq      int64
	Recv, Read   int64
	Unread       int64
	Last         *Event // newest message; nil: none
	MutedUntil   int64  // 0: not muted
	Archived     bool
	Pinned       bool

	order int64 // last_cursor
}

// A Member is one person in a conversation.
type Member struct {
	Person     Person
	Role       string
	Recv, Read int64
}

// Options of a store.
type Options struct {
	Log zerolog.Logger
	// Committed is called with the events of each transaction once they are on
	// disk, in the order of their cursors, by one goroutine at a time. It must
	// not block: other writers wait. nil: nobody listens.
	Committed func([]Event)
}

// A Store is the open database of one chat. Its methods may be used by many
// goroutines.
type Store struct {
	db        *sqlite.DB
	epoch     string
	committed func([]Event)
	last      int64        // position given out last; the writer's alone after Open
	cursor    atomic.Int64 // the last committed position
}

// Open opens or makes the database in dir. The caller closes it.
func Open(ctx context.Context, dir string, opt Options) (*Store, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, "chat.db"), sqlite.Options{Log: opt.Log, Migrations: sub})
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	s := &Store{db: db, committed: opt.Committed}
	if s.committed == nil {
		s.committed = func([]Event) {}
	}
	if err := s.readLog(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open chat store: %w", err), db.Close())
	}
	return s, nil
}

// readLog reads where the log stands, and names the epoch of a new one.
func (s *Store) readLog(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO log (id, epoch, cursor) VALUES (1, ?, 0) ON CONFLICT DO NOTHING`, rand.Text()[:12])
		if err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT epoch, cursor FROM log`).Scan(&s.epoch, &s.last); err != nil {
			return err
		}
		s.cursor.Store(s.last)
		return nil
	})
}

// Close waits for what is being written and closes the database.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close chat store: %w", err)
	}
	return nil
}

// Check reports why nothing can be stored at present; nil: all is well.
func (s *Store) Check() error { return s.db.Check() }

// Epoch names the log: positions of another epoch mean nothing here.
func (s *Store) Epoch() string { return s.epoch }

// Cursor is the last position that was committed.
func (s *Store) Cursor() int64 { return s.cursor.Load() }

// A txn is a writing transaction and what it does to the log.
type txn struct {
	*sqlite.Tx
	s      *Store
	events []Event // to be handed on after the commit
	moved  bool    // a position was given out
}

// next gives out the next position. The counter is in memory: of positions
// whose transaction is undone nobody hears, and they are not used again.
func (t *txn) next() int64 {
	t.moved = true
	t.s.last++
	return t.s.last
}

// add queues an event for after the commit.
func (t *txn) add(e Event) { t.events = append(t.events, e) }

// write runs fn in a transaction. The events that it added are handed on after
// the commit. fn runs again for nobody: an error undoes it.
func (s *Store) write(ctx context.Context, fn func(t *txn) error) error {
	err := s.db.Write(ctx, func(tx *sqlite.Tx) error {
		t := &txn{Tx: tx, s: s}
		if err := fn(t); err != nil {
			return err
		}
		if !t.moved {
			return nil
		}
		if _, err := tx.Exec(`UPDATE log SET cursor = ?`, s.last); err != nil {
			return err
		}
		upTo := s.last
		tx.AfterCommit(func() {
			s.cursor.Store(upTo)
			if len(t.events) > 0 {
				s.committed(t.events)
			}
		})
		return nil
	})
	return storeError(err)
}

// read runs fn on one state of the database, that of all that was committed.
func (s *Store) read(ctx context.Context, fn func(q sqlite.Queryer) error) error {
	return storeError(s.db.Read(ctx, fn))
}

// storeError adds ErrUnavailable, or ErrFull, to failures that trying again may
// mend.
func storeError(err error) error {
	if errors.Is(err, sqlite.ErrFull) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	for _, temporary := range []error{sqlite.ErrBusy, sqlite.ErrClosed, sqlite.ErrIO} {
		if errors.Is(err, temporary) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}

// nowMillis is the clock of the log.
func nowMillis() int64 { return time.Now().UnixMilli() }
