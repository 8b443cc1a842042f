package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/services/chat/store"
)

// errUndone is what LeaveInVain returns.
var errUndone = errors.New("undone")

// LeaveInVain takes somebody out of a group, has a message sent there, and undoes
// both.
func (s *Store) LeaveInVain(ctx context.Context, conv store.ConvID, p store.Person, d store.Draft) error {
	err := s.write(ctx, func(t *txn) error {
		if err := leave(t, conv, p, p); err != nil {
			return err
		}
		r := run{t: t}
		if _, err := r.send(&d); err != nil {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}
