package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// readFilters reads filters with their parts, where one condition selects them.
func readFilters(q sqldb.Queryer, where string, args ...any) ([]store.Filter, error) {
	list, err := collect(q, func(r sqldb.Rows) (f store.Filter, err error) {
		var contexts string
		var expires *int64
		err = r.Scan(&f.ID, &f.User, &f.Title, &contexts, &f.Action, &expires)
		f.Contexts, f.Expires = strings.Fields(contexts), timeOf(expires)
		return f, err
	}, `SELECT id, user_id, title, contexts, action, expires FROM filters WHERE `+where+` ORDER BY id`, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ids := make([]int64, len(list))
	at := make(map[int64]*store.Filter, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	_, err = collect(q, func(r sqldb.Rows) (k store.Keyword, err error) {
		var filter int64
		err = r.Scan(&filter, &k.ID, &k.Text, &k.WholeWord)
		if err == nil {
			at[filter].Keywords = append(at[filter].Keywords, k)
		}
		return k, err
	}, `SELECT filter_id, id, keyword, whole_word FROM filter_keywords
		WHERE filter_id IN (SELECT value FROM json_each(?)) ORDER BY filter_id, id`, jsonList(ids))
	if err != nil {
		return nil, err
	}
	_, err = collect(q, func(r sqldb.Rows) (s store.FilteredStatus, err error) {
		var filter int64
		err = r.Scan(&filter, &s.ID, &s.Status)
		if err == nil {
			at[filter].Statuses = append(at[filter].Statuses, s)
		}
		return s, err
	}, `SELECT filter_id, id, status_id FROM filter_statuses
		WHERE filter_id IN (SELECT value FROM json_each(?)) ORDER BY filter_id, id`, jsonList(ids))
	return list, err
}

// Filters are all of user.
func (d *DB) Filters(ctx context.Context, user int64) (list []store.Filter, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = readFilters(q, `user_id = ?`, user)
		return err
	})
	return list, wrap("read filters", err)
}

// AddFilter makes a filter.
func (d *DB) AddFilter(ctx context.Context, f store.Filter) (store.Filter, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := bound(tx, store.MaxFilters, `SELECT count(*) FROM filters WHERE user_id = ?`, f.User); err != nil {
			return err
		}
		f.ID = tx.nextID()
		return d.writeFilter(tx, &f)
	})
	return f, wrap("make filter", err)
}

// EditFilter changes a filter.
func (d *DB) EditFilter(ctx context.Context, user, id int64, edit func(*store.Filter) error) (f store.Filter, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		list, err := readFilters(tx, `id = ? AND user_id = ?`, id, user)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return store.ErrNotFound
		}
		f = list[0]
		if err := edit(&f); err != nil {
			return err
		}
		return d.writeFilter(tx, &f)
	})
	return f, wrap("change filter", err)
}

// writeFilter stores a filter as it is, and gives ids to parts without one.
func (d *DB) writeFilter(tx *tx, f *store.Filter) error {
	tx.happened(store.Event{Kind: store.FiltersChanged, User: f.User})
	if len(f.Keywords) > store.MaxFilterParts || len(f.Statuses) > store.MaxFilterParts {
		return store.ErrTooMany
	}
	f.Expires = f.Expires.Truncate(time.Millisecond)
	_, err := tx.Exec(`INSERT INTO filters (id, user_id, title, contexts, action, expires) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET title = excluded.title, contexts = excluded.contexts, action = excluded.action, expires = excluded.expires`,
		f.ID, f.User, f.Title, strings.Join(f.Contexts, " "), f.Action, millis(f.Expires))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM filter_keywords WHERE filter_id = ?`, f.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM filter_statuses WHERE filter_id = ?`, f.ID); err != nil {
		return err
	}
	f.Keywords, f.Statuses = slices.Clone(f.Keywords), slices.Clone(f.Statuses)
	for i := range f.Keywords {
		k := &f.Keywords[i]
		if k.ID == 0 {
			k.ID = tx.nextID()
		}
		if _, err := tx.Exec(`INSERT INTO filter_keywords (id, filter_id, keyword, whole_word) VALUES (?, ?, ?, ?)`, k.ID, f.ID, k.Text, k.WholeWord); err != nil {
			return err
		}
	}
	for i := range f.Statuses {
		s := &f.Statuses[i]
		if s.ID == 0 {
			s.ID = tx.nextID()
		}
		if _, err := tx.Exec(`INSERT INTO filter_statuses (id, filter_id, status_id) VALUES (?, ?, ?)`, s.ID, f.ID, s.Status); err != nil {
			return err
		}
	}
	return nil
}

// DeleteFilter removes a filter.
func (d *DB) DeleteFilter(ctx context.Context, user, id int64) error {
	return wrap("delete filter", d.db.Write(ctx, func(tx *tx) error {
		tx.happened(store.Event{Kind: store.FiltersChanged, User: user})
		return mustAffect(tx.Exec(`DELETE FROM filters WHERE id = ? AND user_id = ?`, id, user))
	}))
}
