package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// A query is what follows FROM, as it is put together. Its text depends on what
// is asked for, not on the values, so that there are few texts to prepare.
type query struct {
	conds []string
	args  []any
}

func (q *query) and(cond string, args ...any) {
	q.conds = append(q.conds, cond)
	q.args = append(q.args, args...)
}

// page bounds a column that orders the list.
func (q *query) page(column string, p store.Page) {
	if p.Max > 0 {
		q.and(column+` < ?`, p.Max)
	}
	if lower := max(p.Since, p.Min); lower > 0 {
		q.and(column+` > ?`, lower)
	}
}

func (q *query) where() string { return `WHERE ` + strings.Join(q.conds, ` AND `) }

// ordered is the query with the order and the length of the page.
func (q *query) ordered(column string, p store.Page) (string, []any) {
	return q.where() + ` ORDER BY ` + column + direction(p) + ` LIMIT ?`, append(slices.Clip(q.args), max(p.Limit, 1))
}

// direction: a page above Min begins with the oldest.
func direction(p store.Page) string {
	if p.Min > 0 {
		return ` ASC`
	}
	return ` DESC`
}

// newestFirst turns a page that was read from its oldest.
func newestFirst[T any](list []T, p store.Page) []T {
	if p.Min > 0 {
		slices.Reverse(list)
	}
	return list
}

// jsonText is texts as json_each takes them.
func jsonText[T ~string](texts []T) string {
	b, err := json.Marshal(texts)
	if err != nil || texts == nil {
		return "[]" // strings always marshal; null would be one row
	}
	return string(b)
}

// mustAffect is ErrNotFound where a statement changed nothing.
func mustAffect(res sqldb.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

// An idList is what jsonList wrote.
type idList []int64

// Scan is for sql.Scanner.
func (l *idList) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list of ids is %T", v)
	}
	return json.Unmarshal([]byte(text), (*[]int64)(l))
}

func scanID(r sqldb.Rows) (id int64, err error) {
	err = r.Scan(&id)
	return id, err
}
