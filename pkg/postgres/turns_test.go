package postgres_test

import (
	"sync"
	"testing"
	"time"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// What comes while another node has its turn, however long, shares one commit.
func TestWaitersShareACommit(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	other, db := open(t, url, postgres.Options{}), open(t, url, postgres.Options{})
	var writes sync.WaitGroup
	begun, end := make(chan struct{}), make(chan struct{})
	writes.Go(func() {
		err := other.Write(t.Context(), func(tx *sqldb.Tx) error {
			err := insert(1)(tx)
			close(begun)
			<-end
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	const many = 40
	for i := range int64(many) {
		writes.Go(func() {
			if err := db.Write(t.Context(), insert(2+i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Until(t, "all wait", func() bool { return db.Stats().Queued == many })
	time.Sleep(100 * time.Millisecond) // longer than requests join a commit
	close(end)
	writes.Wait()
	if s := db.Stats(); s.Writes != many || s.Commits != 1 {
		t.Errorf("%d writes in %d commits", s.Writes, s.Commits)
	}
}
