package sqlstore

import (
	"context"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

// Block stores a block, unless it is there.
func (s *Store) Block(ctx context.Context, b account.Block, limit int) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, id := range []int64{b.UserID, b.OtherID} {
			if _, err := userByID(tx, id); err != nil {
				return err
			}
		}
		var n, there int
		err := tx.QueryRow(`SELECT count(*), coalesce(sum(CASE WHEN other_id = ? THEN 1 ELSE 0 END), 0) FROM block WHERE user_id = ?`,
			b.OtherID, b.UserID).Scan(&n, &there)
		if err != nil || there > 0 {
			return err
		}
		if n >= limit {
			return account.ErrTooManyBlocks
		}
		id, err := next(tx, lastBlock)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO block (id, user_id, other_id, at) VALUES (?, ?, ?, ?)`, id, b.UserID, b.OtherID, b.At.UnixMilli()); err != nil {
			return err
		}
		return s.log(tx, account.Change{Kind: account.Blocked, UserID: b.UserID, OtherID: b.OtherID})
	})
}

// Unblock removes a block, if it is there.
func (s *Store) Unblock(ctx context.Context, userID, otherID int64) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		res, err := tx.Exec(`DELETE FROM block WHERE user_id = ? AND other_id = ?`, userID, otherID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.log(tx, account.Change{Kind: account.Unblocked, UserID: userID, OtherID: otherID})
	})
}

// Blocks returns a user's blocks.
func (s *Store) Blocks(ctx context.Context, userID, after int64, limit int) ([]account.Block, error) {
	const query = `SELECT id, user_id, other_id, at FROM block WHERE user_id = ?1 AND (id < ?2 OR ?2 = 0) ORDER BY id DESC LIMIT ?3`
	return list(ctx, s.db, func(r sqldb.Rows) (b account.Block, err error) {
		var at int64
		err = r.Scan(&b.ID, &b.UserID, &b.OtherID, &at)
		b.At = fromMilli(at)
		return b, err
	}, query, userID, after, limit)
}

// BlockedBoth returns a user's blocks in both directions, as of one moment.
func (s *Store) BlockedBoth(ctx context.Context, userID int64) (blocks, blockedBy []int64, err error) {
	scan := func(r sqldb.Rows) (id int64, err error) { return id, r.Scan(&id) }
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		if blocks, err = collect(q, scan, `SELECT other_id FROM block WHERE user_id = ? ORDER BY other_id`, userID); err != nil {
			return err
		}
		blockedBy, err = collect(q, scan, `SELECT user_id FROM block WHERE other_id = ? ORDER BY user_id`, userID)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return blocks, blockedBy, nil
}
