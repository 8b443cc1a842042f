package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// nextJob replaces the jobs of a picture by what it lacks now. It runs in the
// transaction that made it so: a crash loses no job and leaves none that is done.
func nextJob(tx *tx, media int64, sized, complete bool, now time.Time) error {
	kind := store.JobFirst
	switch {
	case complete:
		kind = store.JobVariants
	case sized:
		kind = store.JobLadder
	}
	if _, err := tx.Exec(`DELETE FROM jobs WHERE media_id = ? AND kind <> ?`, media, kind); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO jobs (id, kind, media_id, priority, run_after) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		tx.nextID(), kind, media, kind.Priority(), now.UnixMilli())
	return err
}

const jobColumns = `SELECT id, kind, media_id, coalesce(run_after, 0), attempts, last_error FROM jobs `

func scanJob(r sqldb.Rows) (j store.Job, err error) {
	var after int64
	err = r.Scan(&j.ID, &j.Kind, &j.Media, &after, &j.Attempts, &j.LastError)
	j.RunAfter = timeOrZero(after)
	return j, err
}

// due are jobs that node ?1 may take at ?2. Times are compared with care: the
// clock may have been set since they were written.
const due = `run_after IS NOT NULL AND (attempts = 0 OR run_after <= ?2 OR run_after > ?3)
	AND (taken_by = ?1 OR taken_until <= ?2 OR taken_until > ?4) AND kind IN (SELECT CAST(value AS TEXT) FROM json_each(?5))
	ORDER BY priority, run_after, id LIMIT 1`

// TakeJob gives the most urgent job to a node. It writes only where there is one.
func (d *DB) TakeJob(ctx context.Context, t store.Take) (j store.Job, ok bool, next time.Time, err error) {
	args := []any{t.Node, t.Now.UnixMilli(), t.Now.Add(store.MaxJobDelay).UnixMilli(), t.Now.Add(store.MaxTake).UnixMilli(), jsonText(t.Kinds)}
	var list []store.Job
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		if list, err = collect(q, scanJob, jobColumns+`WHERE `+due, args...); err != nil || len(list) > 0 {
			return err
		}
		var soonest *int64
		err = q.QueryRow(`SELECT min(CASE WHEN taken_until > run_after AND taken_by <> ?1 THEN taken_until ELSE run_after END) FROM jobs
			WHERE run_after IS NOT NULL AND kind IN (SELECT CAST(value AS TEXT) FROM json_each(?2))`, t.Node, args[4]).Scan(&soonest)
		if soonest != nil {
			next = time.UnixMilli(*soonest)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		return j, false, next, wrap("read what is to do", err)
	}
	err = d.db.Write(ctx, func(tx *tx) error {
		// Another node may have taken it since.
		if list, err = collect(tx, scanJob, jobColumns+`WHERE `+due, args...); err != nil || len(list) == 0 {
			return err
		}
		_, err := tx.Exec(`UPDATE jobs SET taken_by = ?, taken_until = ? WHERE id = ?`, t.Node, t.Until.UnixMilli(), list[0].ID)
		return err
	})
	if err != nil || len(list) == 0 {
		return j, false, t.Now, wrap("take what is to do", err)
	}
	return list[0], true, next, nil
}

// HoldJob prolongs the time of a job that a node has.
func (d *DB) HoldJob(ctx context.Context, id int64, node string, until time.Time) error {
	return d.execOne(ctx, "hold job", `UPDATE jobs SET taken_until = ? WHERE id = ? AND taken_by = ?`, until.UnixMilli(), id, node)
}

// LeaveJobs lets others have what a node has taken.
func (d *DB) LeaveJobs(ctx context.Context, node string) error {
	return d.exec(ctx, "leave jobs", `UPDATE jobs SET taken_by = '', taken_until = 0 WHERE taken_by = ?`, node)
}

// TakeTurn has a node do some work until a time.
func (d *DB) TakeTurn(ctx context.Context, name, node string, now, until time.Time) (ok bool, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		res, err := tx.Exec(`INSERT INTO turns (name, node, until) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE
			SET node = excluded.node, until = excluded.until WHERE turns.node = ?2 OR turns.until <= ?4 OR turns.until > ?5`,
			name, node, until.UnixMilli(), now.UnixMilli(), now.Add(store.MaxTurn).UnixMilli())
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		ok = n > 0
		return err
	})
	return ok, wrap("take a turn", err)
}

// forgetHolders lets everybody have everything.
func (d *DB) forgetHolders(ctx context.Context) error {
	return wrap("forget who held what", d.db.Write(ctx, func(tx *tx) error {
		if _, err := tx.Exec(`UPDATE jobs SET taken_by = '', taken_until = 0 WHERE taken_until > 0`); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM turns`)
		return err
	}))
}

// RemoveJob forgets a job.
func (d *DB) RemoveJob(ctx context.Context, id int64) error {
	return d.exec(ctx, "remove job", `DELETE FROM jobs WHERE id = ?`, id)
}

// PostponeJob counts a failure of a job.
func (d *DB) PostponeJob(ctx context.Context, id int64, again time.Time, cause string) error {
	var after *int64
	if !again.IsZero() {
		after = new(again.UnixMilli())
	}
	return d.exec(ctx, "postpone job", `UPDATE jobs SET attempts = attempts + 1, run_after = ?, last_error = ?, taken_by = '', taken_until = 0 WHERE id = ?`, after, cause, id)
}

// RetryJobs makes what was given up due.
func (d *DB) RetryJobs(ctx context.Context) (n int64, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		res, err := tx.Exec(`UPDATE jobs SET attempts = 0, run_after = ? WHERE run_after IS NULL`, d.now().UnixMilli())
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, wrap("retry jobs", err)
}

// JobCounts counts the jobs of every kind.
func (d *DB) JobCounts(ctx context.Context) (out []store.JobCount, err error) {
	byKind := map[store.JobKind]store.JobCount{}
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err := collect(q, func(r sqldb.Rows) (c store.JobCount, err error) {
			err = r.Scan(&c.Kind, &c.Waiting, &c.Retries, &c.Failed)
			return c, err
		}, `SELECT kind, count(*) FILTER (WHERE attempts = 0 AND run_after IS NOT NULL), count(*) FILTER (WHERE attempts > 0 AND run_after IS NOT NULL),
			count(*) FILTER (WHERE run_after IS NULL) FROM jobs GROUP BY kind`)
		for _, c := range list {
			byKind[c.Kind] = c
		}
		return err
	})
	for _, k := range store.JobKinds {
		c := byKind[k]
		c.Kind = k
		out = append(out, c)
	}
	return out, wrap("count jobs", err)
}

// FailedJobs lists what failed.
func (d *DB) FailedJobs(ctx context.Context, limit int) (list []store.Job, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = collect(q, scanJob, jobColumns+`WHERE attempts > 0 OR run_after IS NULL ORDER BY id DESC LIMIT ?`, limit)
		return err
	})
	return list, wrap("list failed jobs", err)
}

// AddVariants keeps other types of a picture's sizes.
func (d *DB) AddVariants(ctx context.Context, media int64, files []store.File) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		var owner, bytes int64
		if err := tx.QueryRow(`SELECT owner_id FROM media WHERE id = ?`, media).Scan(&owner); err != nil {
			return err
		}
		for _, f := range files {
			res, err := tx.Exec(`INSERT INTO variants (media_id, width, height, hash, type, bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				media, f.Width, f.Height, f.Hash, f.Type, f.Bytes)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				bytes += f.Bytes
			}
		}
		if _, err := tx.Exec(`DELETE FROM jobs WHERE media_id = ? AND kind = ?`, media, store.JobVariants); err != nil {
			return err
		}
		return charge(tx, owner, bytes)
	})
	return wrap("keep variants", err)
}

// RemoveMedia removes a loose picture.
func (d *DB) RemoveMedia(ctx context.Context, id, owner int64) (gone store.Media, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		if gone, err = oneMedia(tx, id); err != nil {
			return err
		}
		switch {
		case gone.Owner != owner:
			return store.ErrNotFound
		case gone.Status != 0 || gone.Story != 0:
			return store.ErrMedia
		}
		return removeMedia(tx, gone)
	})
	return gone, wrap("remove picture", err)
}

// SpoilMedia gives a picture up.
func (d *DB) SpoilMedia(ctx context.Context, id int64, problem string) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		res, err := tx.Exec(`UPDATE media SET problem = ?, complete = 1 WHERE id = ?`, problem, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(store.ErrNotFound, err)
		}
		_, err = tx.Exec(`DELETE FROM jobs WHERE media_id = ?`, id)
		return err
	})
	return wrap("give up picture", err)
}

// exec runs one statement.
func (d *DB) exec(ctx context.Context, action, query string, args ...any) error {
	return wrap(action, d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// execOne runs one statement that must change a row.
func (d *DB) execOne(ctx context.Context, action, query string, args ...any) error {
	return wrap(action, d.db.Write(ctx, func(tx *tx) error {
		res, err := tx.Exec(query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(store.ErrNotFound, err)
		}
		return nil
	}))
}
