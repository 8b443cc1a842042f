package sqlstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
)

// Of the lease of who does the upkeep.
const (
	leaseLife  = 30 * time.Second
	leaseRenew = 10 * time.Second // also how often others try to get it
	leaseEnd   = time.Second      // for giving it back
)

// A lease is what this node knows of it.
type lease struct {
	node string

	mu   sync.Mutex
	held bool      // guarded by mu
	next time.Time // when to ask again; guarded by mu
}

func newLease() *lease { return &lease{node: rand.Text()} }

// now is the server's clock, because those of nodes differ.
const now = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)`

// Lead implements store.Upkeep.
func (s *Store) Lead(ctx context.Context) (bool, error) {
	if !s.shared {
		return true, nil
	}
	l := s.lease
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.next) {
		return l.held, nil
	}
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		got, err := tx.Exec(`INSERT INTO leases (name, node, until) VALUES ('upkeep', ?1, `+now+` + ?2)
			ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until WHERE leases.node = ?1 OR leases.until < `+now,
			l.node, leaseLife.Milliseconds())
		if err != nil {
			return err
		}
		n, err := got.RowsAffected()
		l.held = n == 1
		return err
	})
	if err != nil {
		l.held = false // it may be another's by now
		return false, fmt.Errorf("take the lease of upkeep: %w", storeError(err))
	}
	l.next = time.Now().Add(leaseRenew)
	return l.held, nil
}

// resign gives the lease back, so that another node gets it at once. It may fail.
func (s *Store) resign() {
	l := s.lease
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held || s.db.Check() != nil {
		return
	}
	l.held = false
	ctx, cancel := context.WithTimeout(context.Background(), leaseEnd)
	defer cancel()
	_ = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`DELETE FROM leases WHERE node = ?`, l.node)
		return err
	})
}
