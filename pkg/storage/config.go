package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/blob/s3"
	"github.com/porticod/portico/pkg/bus/nats"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/settings"
)

// Config is the storage block. The zero Config is a block that is not there.
type Config struct {
	Database             settings.Secret // postgres://...; "": files of SQLite in the services' folders
	Bus                  settings.Secret // nats://...; "": there are no other nodes
	Blobs                string          // s3://...; "": files in the services' folders
	AccessKey, SecretKey settings.Secret // of the bucket
}

// Where says where services keep things that are not in their folders, by what it
// is; empty: everything is there.
func (c Config) Where() map[string]string {
	where := map[string]string{}
	if at, err := postgres.Where(c.Database.Reveal()); err == nil {
		where["database"] = at
	}
	if at, err := nats.Parse(c.Bus.Reveal()); err == nil {
		where["bus"] = at.Hosts()
	}
	if at, err := c.target(); err == nil && at != nil {
		where["blobs"] = at.String()
	}
	return where
}

// CheckDatabase asks the database, which the block names, what it is.
func (c Config) CheckDatabase(ctx context.Context) (postgres.Report, error) {
	return postgres.Check(ctx, c.Database.Reveal())
}

// CheckBus connects to the bus, which the block names, within some seconds.
func (c Config) CheckBus() error {
	servers, err := nats.Parse(c.Bus.Reveal())
	if err != nil {
		return err
	}
	b, err := nats.Open(servers, zerolog.Nop())
	if err != nil {
		return err
	}
	if !b.Healthy() {
		err = b.Why()
	}
	return errors.Join(err, b.Close())
}

// CheckBlobs writes, reads and deletes an object in the bucket, if there is one.
func (c Config) CheckBlobs(ctx context.Context) error {
	at, err := c.target()
	if err != nil || at == nil {
		return err
	}
	store, err := s3.Open(*at, s3.Options{AccessKey: c.AccessKey.Reveal(), SecretKey: c.SecretKey.Reveal(), Patience: 5 * time.Second})
	if err != nil {
		return err
	}
	return errors.Join(store.Check(ctx), store.Close())
}

// target is where blobs are kept; nil: in the services' folders.
func (c Config) target() (*s3.Target, error) {
	if c.Blobs == "" {
		return nil, nil
	}
	at, err := s3.Parse(c.Blobs)
	if err != nil {
		return nil, fmt.Errorf("storage.blobs: %w", err)
	}
	return &at, nil
}
