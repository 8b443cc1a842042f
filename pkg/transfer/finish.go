package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
)

// Prepare makes a database a target: what refers to other rows may come before
// them. Of SQLite it has to be opened unchecked. It may be called again. A store may
// use the database after Finish only.
func Prepare(ctx context.Context, to sqldb.DB) error {
	if to.Dialect() == sqldb.SQLite {
		return nil
	}
	err := to.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`CREATE TABLE IF NOT EXISTS portico_constraints (relation text, name text, definition text, PRIMARY KEY (relation, name))`)
		if err != nil {
			return err
		}
		all, err := constraints(tx, `SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
			WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`)
		if err != nil {
			return err
		}
		for _, c := range all {
			if _, err := tx.Exec(`INSERT INTO portico_constraints VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, c.relation, c.name, c.definition); err != nil {
				return err
			}
			if _, err := tx.Exec(`ALTER TABLE ` + c.relation + ` DROP CONSTRAINT ` + quote(c.name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare the target: %w", err)
	}
	return nil
}

// A constraint is a foreign key. Its relation is quoted where it has to be.
type constraint struct{ relation, name, definition string }

func constraints(q sqldb.Queryer, query string) (all []constraint, err error) {
	rows, err := q.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c constraint
		if err := rows.Scan(&c.relation, &c.name, &c.definition); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// Finish makes a target, which has the rows of from, a database for a store: numbers
// that are given out go on where they were, and rows that others refer to are there.
func Finish(ctx context.Context, from Source, to sqldb.DB) error {
	err := count(ctx, from, to)
	if err == nil && to.Dialect() == sqldb.Postgres {
		err = constrain(ctx, to)
	} else if err == nil {
		err = checkReferences(ctx, to)
	}
	if err != nil {
		return fmt.Errorf("finish the target: %w", err)
	}
	return nil
}

func checkReferences(ctx context.Context, to sqldb.DB) error {
	var table string
	err := to.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	})
	switch {
	case errors.Is(err, sqldb.ErrNoRows):
		return nil
	case err == nil:
		err = fmt.Errorf("table %s refers to rows that are not there: %w", table, sqldb.ErrConstraint)
	}
	return err
}

// constrain puts the foreign keys back that Prepare took.
func constrain(ctx context.Context, to sqldb.DB) error {
	var all []constraint
	err := to.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if all, err = constraints(tx, `SELECT relation, name, definition FROM portico_constraints`); err != nil {
			return err
		}
		for _, c := range all {
			if _, err := tx.Exec(`ALTER TABLE ` + c.relation + ` ADD CONSTRAINT ` + quote(c.name) + ` ` + c.definition + ` NOT VALID`); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DROP TABLE portico_constraints`)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range all {
		err := to.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`ALTER TABLE ` + c.relation + ` VALIDATE CONSTRAINT ` + quote(c.name))
			return err
		})
		// Of a table that is too large for one transaction the old rows stay unproved:
		// the source had the same, and new ones are checked.
		if errors.Is(err, sqldb.ErrConstraint) {
			return err
		}
	}
	return nil
}

// count has the target's counters go on after those of the source: a number is never
// given twice, even where its row is gone. AUTOINCREMENT is that in SQLite, and an
// identity in PostgreSQL; what has none there counts from the rows, or in the store.
func count(ctx context.Context, from Source, to sqldb.DB) error {
	counted, last := map[string]int64{}, map[string]int64{}
	err := numbers(ctx, to, counted, `SELECT name, 0 FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'`, `SELECT t.relname::text, 0::bigint `+identities)
	if err != nil || len(counted) == 0 {
		return err
	}
	err = numbers(ctx, from, last, `SELECT name, seq FROM sqlite_sequence`, `SELECT t.relname::text, s.last_value `+identities+` WHERE s.last_value IS NOT NULL`)
	if err != nil {
		return err
	}
	return to.Write(ctx, func(tx *sqldb.Tx) error {
		for table := range counted {
			if err := setCounter(tx, table, last[table]); err != nil {
				return err
			}
		}
		return nil
	})
}

const identities = `FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attidentity <> '' AND t.relnamespace = current_schema()::regnamespace
	JOIN pg_sequences s ON s.schemaname = current_schema()
		AND quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename) = pg_get_serial_sequence(quote_ident(t.relname), a.attname)`

func numbers(ctx context.Context, db Source, into map[string]int64, lite, pg string) error {
	return db.Read(ctx, func(q sqldb.Queryer) error {
		rows, err := q.Query(db.Dialect().Pick(lite, pg))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var table string
			var n int64
			if err := rows.Scan(&table, &n); err != nil {
				return err
			}
			into[table] = n
		}
		return rows.Err()
	})
}

// setCounter has the next number of a table be greater than last, and than those of
// its rows.
func setCounter(tx *sqldb.Tx, table string, last int64) error {
	if tx.Dialect() == sqldb.SQLite { // which has counted the rows as they came
		_, err := tx.Exec(`UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?`, last, table)
		if err == nil {
			_, err = tx.Exec(`INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)`, table, last)
		}
		return err
	}
	var most int64
	if err := tx.QueryRow(`SELECT coalesce(max(id), 0) FROM ` + quote(table)).Scan(&most); err != nil {
		return err
	}
	if most = max(most, last); most == 0 {
		return nil
	}
	_, err := tx.Exec(`SELECT setval(pg_get_serial_sequence(quote_ident(t.relname), a.attname), CAST(? AS bigint))
		FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attidentity <> ''
		WHERE t.relnamespace = current_schema()::regnamespace AND t.relname = CAST(? AS text)`, most, table)
	return err
}
