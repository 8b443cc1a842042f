package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

const upkeepPage = 200 // rows of one step of upkeep

// AddBlob implements store.Blobs.
func (s *Store) AddBlob(ctx context.Context, owner store.Person, b store.Blob, quota int64) error {
	return s.write(ctx, func(t *txn) error {
		if err := addPerson(t, owner); err != nil {
			return err
		}
		var used int64
		if err := t.QueryRow(`SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM blobs WHERE owner = ?`, owner.ID).Scan(&used); err != nil {
			return err
		}
		if used+b.Size > quota {
			return store.ErrQuota
		}
		_, err := t.Exec(`INSERT INTO blobs (id, owner, hash, name, type, size, width, height, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			b.ID, owner.ID, b.Hash, b.Name, b.Type, b.Size, b.Width, b.Height, nowMillis())
		return err
	})
}

// Blob implements store.Blobs.
func (s *Store) Blob(ctx context.Context, person int64, id string) (b store.Blob, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		b, err = visibleBlob(q, person, id)
		return err
	})
	return b, err
}

// visibleBlob returns what person uploaded, may see in a message, or sees as a
// picture of somebody or of a group of his.
func visibleBlob(q sqldb.Queryer, person int64, id string) (b store.Blob, err error) {
	err = q.QueryRow(`SELECT `+blobColumns+` FROM blobs b WHERE b.id = ?1 AND (b.owner = ?2
			OR EXISTS (SELECT 1 FROM avatars a WHERE a.blob = b.id)
			OR EXISTS (SELECT 1 FROM conversations c JOIN members m ON m.conv = c.id AND m.person = ?2 AND m.left_seq IS NULL WHERE c.avatar = b.id)
			OR EXISTS (SELECT 1 FROM attachments a JOIN members m ON m.conv = a.conv AND m.person = ?2
				WHERE a.blob = b.id AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.person = ?2 AND h.conv = a.conv AND h.seq = a.seq) AND (a.seq BETWEEN m.from_seq AND coalesce(m.left_seq, a.seq)
					OR EXISTS (SELECT 1 FROM spans x WHERE x.conv = a.conv AND x.person = ?2 AND a.seq BETWEEN x.from_seq AND x.to_seq))))`,
		id, person).Scan(&b.ID, &b.Hash, &b.Name, &b.Type, &b.Size, &b.Width, &b.Height)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrBlob
	}
	return b, err
}

// SetAvatar implements store.Blobs.
func (s *Store) SetAvatar(ctx context.Context, who store.Person, id string) error {
	return s.write(ctx, func(t *txn) error {
		if id != "" {
			if _, err := visibleBlob(t, who.ID, id); err != nil {
				return err
			}
		}
		return setAvatar(t, who.ID, id)
	})
}

func setAvatar(t *txn, person int64, id string) error {
	old, err := column[string](t, `DELETE FROM avatars WHERE person = ? RETURNING blob`, person)
	if err != nil {
		return err
	}
	if id != "" {
		if _, err := t.Exec(`INSERT INTO avatars (person, blob) VALUES (?, ?)`, person, id); err != nil {
			return err
		}
	}
	for _, o := range old {
		if o != id {
			if err := release(t, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// Holds implements store.Blobs.
func (s *Store) Holds(ctx context.Context, hash string) (held bool, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		held, err = exists(q, `SELECT 1 FROM blobs WHERE hash = ? LIMIT 1`, hash)
		return err
	})
	return held, err
}

const unheld = `NOT EXISTS (SELECT 1 FROM attachments a WHERE a.blob = b.id) AND NOT EXISTS (SELECT 1 FROM avatars a WHERE a.blob = b.id)
	AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.avatar = b.id)`

// release forgets a blob where nothing holds it any more.
func release(t *txn, id string) error {
	hashes, err := column[string](t, `DELETE FROM blobs AS b WHERE b.id = ? AND `+unheld+` RETURNING hash`, id)
	if err != nil {
		return err
	}
	return loosen(t, hashes)
}

// loosen queues bytes whose last blob may be gone. The update locks the row: who
// takes it out meanwhile waits for this transaction, and then sees what it did.
func loosen(t *txn, hashes []string) error {
	for _, h := range hashes {
		if _, err := t.Exec(`INSERT INTO loose (hash) VALUES (?) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash`, h); err != nil {
			return err
		}
	}
	return nil
}

// Collect implements store.Upkeep.
func (s *Store) Collect(ctx context.Context, before time.Time) (more bool, err error) {
	err = s.write(ctx, func(t *txn) error {
		hashes, err := column[string](t, `DELETE FROM blobs WHERE id IN (SELECT b.id FROM blobs b WHERE b.created_at < ? AND `+unheld+` LIMIT ?) RETURNING hash`,
			before.UnixMilli(), upkeepPage)
		if err != nil {
			return err
		}
		more = len(hashes) == upkeepPage
		return loosen(t, hashes)
	})
	return more, err
}

// Loose implements store.Upkeep.
func (s *Store) Loose(ctx context.Context, limit int) (hashes []string, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		hashes, err = column[string](q, `SELECT hash FROM loose LIMIT ?`, limit)
		return err
	})
	return hashes, err
}

// Dropped implements store.Upkeep.
func (s *Store) Dropped(ctx context.Context, hash string) error {
	return s.write(ctx, func(t *txn) error {
		_, err := t.Exec(`DELETE FROM loose WHERE hash = ?`, hash)
		return err
	})
}
