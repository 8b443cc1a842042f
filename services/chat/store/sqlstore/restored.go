package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/sqldb"
)

// RestoredMark is the name of the file beside the database by which a restore
// says that the log has gone back in time.
const RestoredMark = "RESTORED"

// idLeap is how many ids of conversations are left out after a restore: those
// that were given since the backup are known to clients, and must not become
// other conversations.
const idLeap = 1_000_000

// Schema is the number of the newest migration.
func Schema() int {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0 // it is embedded
	}
	n, _ := sqldb.Schema(sub) // as Open sees them, which refuses what is wrong
	return n
}

// renew names a new epoch where a restore left its mark: clients know positions
// that are not there, or will be others. Doing it twice, after a crash between
// its steps, does no harm.
func renew(ctx context.Context, db sqldb.DB, dir string) error {
	mark := filepath.Join(dir, RestoredMark)
	if _, err := os.Lstat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the mark of a restore: %w", err)
	}
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`UPDATE log SET epoch = ?`, rand.Text()[:12]); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'conversations'`, idLeap)
		return err
	})
	if err != nil {
		return fmt.Errorf("name a new epoch after a restore: %w", err)
	}
	if err := os.Remove(mark); err != nil {
		return fmt.Errorf("remove the mark of a restore: %w", err)
	}
	return durable.SyncDir(dir)
}
