package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/sqldb"
)

// Of requests that share a transaction, what the last one wants that was kept is
// run before the commit, once, and undoes them all where it fails.
func TestBeforeCommit(t *testing.T) {
	refused := errors.New("refused")
	for _, last := range []error{nil, errors.New("failed")} {
		t.Run(fmt.Sprint(last), func(t *testing.T) {
			db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
			release := hold(t, db)
			var ran []int // the writer's
			turns := map[int64]int{}
			errs := make([]error, 4)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() {
					errs[i] = db.Write(t.Context(), func(tx *sqldb.Tx) error {
						turns[tx.Turn()]++
						if i < 3 {
							tx.BeforeCommit(func(tx *sqldb.Tx) error {
								turns[tx.Turn()]++
								ran = append(ran, i)
								return errors.Join(last, insert(100, "x")(tx))
							})
						}
						if i == 2 {
							return refused
						}
						return insert(i, "x")(tx)
					})
				})
				wait.Until(t, "the request is queued", func() bool { return db.Stats().Queued == i+2 })
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if len(ran) != 1 || ran[0] != 1 || len(turns) != 1 {
				t.Errorf("ran %v in turns %v", ran, turns)
			}
			for i, want := range []error{last, last, refused, last} {
				if !errors.Is(errs[i], want) {
					t.Errorf("request %d: %v, not %v", i, errs[i], want)
				}
			}
			if n := count(t, db); last == nil && n != 4 || last != nil && n != 0 {
				t.Errorf("%d rows", n)
			}
		})
	}
}
