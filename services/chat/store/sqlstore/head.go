package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// A head is where the log stands, as the writer knows it. Who has the database
// alone counts in memory; what is shared is read at the beginning of a turn and
// written at its end.
type head struct {
	epoch string
	last  int64 // position given out last
	told  int64 // the last that was handed on, or was there before

	reserved int64 // alone: positions up to this one are not used again after a crash
	turn     int64 // shared: in which last was read
}

// Leaps after which nothing is used again that clients may know from a time which
// the log has forgotten: ids of conversations must not become other ones.
const (
	idLeap     = 1_000_000
	cursorLeap = 1 << 32 // no node has seen a later position, however much was lost
)

func newEpoch() string { return rand.Text()[:12] }

// renew names a new epoch. Doing it twice does no harm.
func renew(tx *sqldb.Tx) error {
	if _, err := tx.Exec(`UPDATE log SET epoch = ?, cursor = cursor + ?`, newEpoch(), int64(cursorLeap)); err != nil {
		return err
	}
	return leap(tx, "conversations", idLeap)
}

// A txn is a writing transaction and what it does to the log.
type txn struct {
	*sqldb.Tx
	s      *Store
	events []store.Event // to be handed on after the commit
	moved  bool          // a position was given out
}

// next gives out the next position. Of positions whose transaction is undone nobody
// hears.
func (t *txn) next() int64 {
	t.moved = true
	t.s.head.last++
	return t.s.head.last
}

// add queues an event for after the commit, unless it is for nobody.
func (t *txn) add(e store.Event) {
	if len(e.Audience) > 0 {
		t.events = append(t.events, e)
	}
}

// write runs fn in a transaction. The events that it added are handed on after
// the commit. fn runs again for nobody: an error undoes it.
func (s *Store) write(ctx context.Context, fn func(t *txn) error) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := s.begin(tx); err != nil {
			return err
		}
		t := &txn{Tx: tx, s: s}
		if err := fn(t); err != nil {
			return err
		}
		if !t.moved {
			return nil
		}
		upTo := s.head.last
		if err := s.keep(tx, upTo); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			after := s.head.told
			s.head.told = upTo
			s.reached(upTo)
			s.opt.Committed(after, t.events, upTo)
		})
		return nil
	})
	if errors.Is(err, errWentBack) {
		err = errors.Join(err, s.forget(ctx))
	}
	return storeError(err)
}

// begin reads where the log stands, once a turn: others may have written.
func (s *Store) begin(tx *sqldb.Tx) error {
	h := &s.head
	if !s.shared || h.turn == tx.Turn() {
		return nil
	}
	var epoch string
	var at int64
	if err := tx.QueryRow(`SELECT epoch, cursor FROM log`).Scan(&epoch, &at); err != nil {
		return fmt.Errorf("read where the log stands: %w", err)
	}
	if epoch != h.epoch {
		s.rosters = newRosters()
		s.renewed(epoch)
	} else if at < s.cursor.Load() {
		return errWentBack
	}
	*h = head{epoch: epoch, last: at, told: at, turn: tx.Turn()}
	return nil
}

// keep sees to it that positions are not used again.
func (s *Store) keep(tx *sqldb.Tx, upTo int64) error {
	if !s.shared {
		return s.reserve(tx)
	}
	tx.BeforeCommit(func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`UPDATE log SET cursor = ?`, upTo); err != nil {
			return fmt.Errorf("write where the log stands: %w", err)
		}
		return nil
	})
	return nil
}

// reservedAhead is how many positions are taken at a time, so that few commits
// have to say where the log stands. A crash skips what is left of them.
const reservedAhead = 4096

// reserve notes positions that will be given out, and those that were.
func (s *Store) reserve(tx *sqldb.Tx) error {
	if s.head.last <= s.head.reserved {
		return nil
	}
	upTo := s.head.last + reservedAhead
	if _, err := tx.Exec(`UPDATE log SET cursor = ?`, upTo); err != nil {
		return fmt.Errorf("reserve positions: %w", err)
	}
	tx.AfterCommit(func() { s.head.reserved = upTo })
	return nil
}

// giveBack notes that what is left of the reserved positions was not used. It is
// not needed, but then no position is skipped: it may fail.
func (s *Store) giveBack() {
	_ = s.db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE log SET cursor = ? WHERE cursor > ?`, s.head.last, s.head.last)
		return err
	})
}

// reached notes a position that was committed.
func (s *Store) reached(at int64) {
	for {
		known := s.cursor.Load()
		if at <= known || s.cursor.CompareAndSwap(known, at) {
			return
		}
	}
}

// Alone implements store.Store.
func (s *Store) Alone() bool { return !s.shared }

// Look implements store.Store.
func (s *Store) Look(ctx context.Context) (int64, error) {
	if !s.shared {
		return s.Cursor(), nil
	}
	epoch, known := s.Epoch(), s.Cursor()
	var now string
	var at int64
	err := s.read(ctx, func(q sqldb.Queryer) error { return q.QueryRow(`SELECT epoch, cursor FROM log`).Scan(&now, &at) })
	if err != nil {
		return 0, fmt.Errorf("look where the log stands: %w", err)
	}
	if now != epoch {
		s.renewed(now)
	} else if at < known {
		return 0, errors.Join(storeError(errWentBack), s.forget(ctx))
	}
	s.reached(at)
	return s.Cursor(), nil
}

// errWentBack: the database lost commits that were acknowledged.
var errWentBack = fmt.Errorf("%w: the database is behind what it has told", sqldb.ErrAway)

// forget names a new epoch where the database went back in time, to an older
// backup or to a standby that had not got everything: clients know positions that
// are not there, or will be others.
func (s *Store) forget(ctx context.Context) error {
	var epoch string
	lost := int64(0)
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var at int64
		if err := tx.QueryRow(`SELECT epoch, cursor FROM log`).Scan(&epoch, &at); err != nil {
			return err
		}
		if lost = s.cursor.Load() - at; epoch != s.Epoch() || lost <= 0 {
			return nil // another node did it, or it is not so
		}
		if err := renew(tx); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT epoch FROM log`).Scan(&epoch)
	})
	if err != nil {
		return fmt.Errorf("name a new epoch: %w", err)
	}
	if epoch != s.Epoch() {
		s.log.Error().Int64("positions", lost).Msg("the database has gone back in time: what was stored last is lost, and clients begin anew")
		s.renewed(epoch)
	}
	return nil
}

// renewed notes the epoch that the log has now.
func (s *Store) renewed(epoch string) {
	if old := s.epoch.Swap(&epoch); *old != epoch {
		s.opt.Renewed()
	}
}
