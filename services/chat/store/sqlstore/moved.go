package sqlstore

import (
	"context"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
)

// Moved has the words of messages collected anew, from the first one on, in a
// database that was filled from one of another engine. Upkeep does it.
func Moved(ctx context.Context, db sqldb.DB) error {
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE log SET indexed = 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("have words collected anew: %w", err)
	}
	return nil
}
