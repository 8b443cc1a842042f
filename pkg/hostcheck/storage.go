package hostcheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/storage"
)

// storageTime bounds the check of an engine.
const storageTime = 20 * time.Second

// storage looks whether the engines of the storage block do their work.
func (h Host) storage(ctx context.Context, cfg *config.Config) []Finding {
	all := Storage(ctx, cfg.Storage)
	for i := range all {
		all[i].At = cfg.Place("storage")
	}
	return all
}

// Storage looks whether the engines that a block names do their work.
func Storage(ctx context.Context, cfg storage.Config) (all []Finding) {
	for _, c := range []struct {
		what  string
		check func(context.Context, storage.Config, string) Finding
	}{{"database", checkDatabase}, {"bus", checkBus}, {"blobs", checkBucket}} {
		where, named := cfg.Where()[c.what]
		if !named {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, storageTime)
		f := c.check(ctx, cfg, where)
		cancel()
		f.Check = "storage." + c.what
		all = append(all, f)
	}
	return all
}

func checkDatabase(ctx context.Context, cfg storage.Config, where string) Finding {
	r, err := cfg.CheckDatabase(ctx)
	switch {
	case err != nil:
		f := Finding{Level: Fail, Found: fmt.Sprintf("the database %s does not do its work: %v", where, err),
			Remedy: "It must be PostgreSQL 15 or newer with the encoding UTF8, reachable from here, with a user who may sign in from here."}
		if fault := (*postgres.Fault)(nil); errors.As(err, &fault) {
			f.Remedy = fault.Remedy
		}
		return f
	case !r.Creates:
		return Finding{Level: Fail, Found: "the user may make no schemas in the database " + where,
			Remedy: "As its owner: GRANT CREATE ON DATABASE name TO user."}
	case !r.Standby:
		return Finding{Level: Warn, Found: fmt.Sprintf("the database %s has no synchronous standby", where),
			Remedy: "When its server is lost, what was acknowledged last may be lost with it. Give PostgreSQL a standby and name it in synchronous_standby_names."}
	}
	return Finding{Level: OK, Found: fmt.Sprintf("the database %s is PostgreSQL %s with a synchronous standby", where, r.Version)}
}

func checkBus(_ context.Context, cfg storage.Config, where string) Finding {
	if err := cfg.CheckBus(); err != nil {
		return Finding{Level: Warn, Found: fmt.Sprintf("the bus %s is away: %v", where, err),
			Remedy: "Start NATS there, or name where it is. Until then those who share the database hear of each other up to a second late."}
	}
	return Finding{Level: OK, Found: "the bus " + where + " is there"}
}

func checkBucket(ctx context.Context, cfg storage.Config, where string) Finding {
	if err := cfg.CheckBlobs(ctx); err != nil {
		return Finding{Level: Fail, Found: fmt.Sprintf("the bucket %s does not do its work: %v", where, err),
			Remedy: "Make the bucket if it is not there, and let the key read, write, delete and list its objects; the endpoint must be reachable from here."}
	}
	return Finding{Level: OK, Found: "the bucket " + where + " takes, gives and deletes objects"}
}
