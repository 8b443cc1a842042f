package hostcheck

import (
	"context"
	"time"

	"github.com/porticod/portico/pkg/config"
)

// storageTime bounds the check of an engine.
const storageTime = 20 * time.Second

// storage looks whether the engines of the storage block do their work.
func (h Host) storage(ctx context.Context, cfg *config.Config) []Finding {
	where, named := cfg.Storage.Where()["blobs"]
	if !named {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storageTime)
	defer cancel()
	if err := cfg.Storage.CheckBlobs(ctx); err != nil {
		return []Finding{{
			Check: "storage.blobs", Level: Fail, Found: "the bucket " + where + " does not do its work: " + err.Error(), At: cfg.Place("storage"),
			Remedy: "Make the bucket if it is not there, and let the key read, write, delete and list its objects; the endpoint must be reachable from here.",
		}}
	}
	return []Finding{{Check: "storage.blobs", Level: OK, Found: "the bucket " + where + " takes, gives and deletes objects"}}
}
