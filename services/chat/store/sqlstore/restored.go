package sqlstore

import (
	"context"
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

// renewRestored names a new epoch where a restore left its mark: clients know positions
// that are not there, or will be others. Doing it twice, after a crash between
// its steps, does no harm.
func renewRestored(ctx context.Context, db sqldb.DB, dir string) error {
	mark := filepath.Join(dir, RestoredMark)
	if _, err := os.Lstat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the mark of a restore: %w", err)
	}
	if err := db.Write(ctx, renew); err != nil {
		return fmt.Errorf("name a new epoch after a restore: %w", err)
	}
	if err := os.Remove(mark); err != nil {
		return fmt.Errorf("remove the mark of a restore: %w", err)
	}
	return durable.SyncDir(dir)
}
