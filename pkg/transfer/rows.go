package transfer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
)

// A reader goes through the rows of a table in the order of its key, which is the
// same in both engines.
type reader struct {
	t  *table
	db interface {
		Read(context.Context, func(sqldb.Queryer) error) error
	}
	plain bool // texts are made such as PostgreSQL takes them

	page [][]any
	last []any // the key of the last row that was read
	end  bool
}

// peek is the present row; nil at the end. It is read with the page that follows.
func (r *reader) peek(ctx context.Context) ([]any, error) {
	if len(r.page) == 0 && !r.end {
		if err := r.read(ctx); err != nil {
			return nil, err
		}
	}
	if len(r.page) == 0 {
		return nil, nil
	}
	return r.page[0], nil
}

func (r *reader) next() { r.page = r.page[1:] }

func (r *reader) read(ctx context.Context) error {
	t := r.t
	key := list(t.keyNames())
	query := `SELECT ` + list(t.columns) + ` FROM ` + quote(t.name)
	if r.last != nil {
		query += ` WHERE (` + key + `) > (` + marks(len(t.key)) + `)`
	}
	query += fmt.Sprintf(` ORDER BY %s LIMIT %d`, key, pageRows)
	err := r.db.Read(ctx, func(q sqldb.Queryer) error {
		rows, err := q.Query(query, slices.Clone(r.last)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row, into := make([]any, len(t.columns)), make([]any, len(t.columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			for i, v := range row {
				if b, ok := v.([]byte); ok && b == nil {
					row[i] = []byte{} // it is empty; nil would be written as none
				}
			}
			r.page = append(r.page, row)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	if r.end = len(r.page) < pageRows; len(r.page) > 0 {
		r.last = t.keyOf(r.page[len(r.page)-1])
	}
	if !r.plain {
		return nil
	}
	for _, row := range r.page {
		if err := t.makePlain(row); err != nil {
			return err
		}
	}
	return nil
}

// makePlain changes texts that PostgreSQL cannot have, as its stores do.
func (t *table) makePlain(row []any) error {
	for i, v := range row {
		s, ok := v.(string)
		if !ok {
			continue
		}
		p := sqldb.Text(s)
		if p != s && slices.Contains(t.key, i) {
			return fmt.Errorf("the row with the key %q: not every engine can keep it, because it is no UTF-8; delete that row", s)
		}
		row[i] = p
	}
	return nil
}

func marks(n int) string { return strings.Repeat(", ?", n)[2:] }

// compare orders two parts of a key as both engines do.
func compare(x, y any) (int, error) {
	switch a := x.(type) {
	case int64:
		if b, ok := y.(int64); ok {
			return cmp.Compare(a, b), nil
		}
	case string:
		if b, ok := y.(string); ok {
			return strings.Compare(a, b), nil
		}
	case []byte:
		if b, ok := y.([]byte); ok {
			return bytes.Compare(a, b), nil
		}
	}
	return 0, fmt.Errorf("%w: %T and %T", errKinds, x, y)
}

func same(x, y []any) bool { return bytes.Equal(encoded(x), encoded(y)) }

// encoded is a row as bytes: of each value its kind and, where it may be of any
// length, its length.
func encoded(row []any) (b []byte) {
	long := func(kind byte, s string) {
		b = append(binary.BigEndian.AppendUint64(append(b, kind), uint64(len(s))), s...)
	}
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			b = append(b, 0)
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 1), uint64(v))
		case string:
			long(2, v)
		case []byte:
			long(3, string(v))
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, 4), math.Float64bits(v))
		default:
			long(5, fmt.Sprintf("%T %v", v, v))
		}
	}
	return b
}
