// Package services is the one list of the kinds that portico comes with, and of
// what they share. It runs nothing.
package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/storage"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/echo"
	"github.com/porticod/portico/services/images"
	"github.com/porticod/portico/services/photos"
	"github.com/porticod/portico/services/process"
	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/redirect"
	"github.com/porticod/portico/services/respond"
	"github.com/porticod/portico/services/static"
	"github.com/porticod/portico/services/tcp"
)

// All are the kinds, in the order of the docs. Those that need what is shared
// hold s's pointers.
func All(s *Shared) []service.Kind {
	return []service.Kind{
		service.KindOf(chat.Type{Accounts: s.Accounts, Storage: s.Storage}),
		service.KindOf(photos.Type{Accounts: s.Accounts, Pictures: s.Pictures, Storage: s.Storage}),
		service.KindOf(images.Type{Pictures: s.Pictures}),
		service.KindOf(static.Type{}),
		service.KindOf(proxy.Type{}),
		service.KindOf(tcp.Type{}),
		service.KindOf(process.Type{}),
		service.KindOf(redirect.Type{}),
		service.KindOf(respond.Type{}),
		service.KindOf(echo.Type{}),
	}
}

// Shared is what services of several kinds use together. It is made with New
// and works from Open to Close; its fields never change.
type Shared struct {
	Accounts *account.Directory
	Pictures *picture.Pool
	Storage  *storage.Storage

	log      zerolog.Logger
	children bool // this program can be started as a worker
}

// New returns what is shared, not open yet.
func New() *Shared {
	return &Shared{Accounts: account.New(), Pictures: picture.NewPool(picture.Options{}), Storage: storage.New()}
}

// Child is what portico does when it was started as a worker; see cli.Main.
func (s *Shared) Child(args []string) (status int, ok bool) {
	if status, ok := picture.Child(args); ok {
		return status, true
	}
	s.children = true
	return 0, false
}

// Open makes the accounts usable. Their store is opened by the first service
// that needs it.
func (s *Shared) Open(_ context.Context, cfg *config.Config, log zerolog.Logger) error {
	s.log = log.With().Str("part", "accounts").Logger()
	if err := s.Storage.Open(cfg.Storage, log); err != nil {
		return err
	}
	s.Pictures.SetMemory(int64(cfg.Limits.PictureMemory))
	if s.children {
		s.Pictures.UseProcesses(log.With().Str("part", "pictures").Logger())
	}
	dir := filepath.Join(cfg.DataDir, accountsFolder)
	s.Accounts.Configure(account.Options{
		Open:         func(ctx context.Context) (account.Store, error) { return s.openAccounts(ctx, dir) },
		Log:          s.log,
		Registration: account.Registration(cfg.Accounts.Registration),
	})
	return nil
}

// Where the accounts are in the data folder.
const (
	accountsFolder = "accounts"
	accountsFile   = "accounts.db"
)

// openAccounts opens the accounts where the configuration has them, or in their
// folder.
func (s *Shared) openAccounts(ctx context.Context, dir string) (account.Store, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the accounts: %w", err)
	}
	db, err := s.Storage.Database(ctx, storage.Place{Kind: accountsFolder, Dir: dir}, accountsFile, sqlstore.Migrations(sqldb.Postgres), s.log)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return sqlstore.Open(ctx, filepath.Join(dir, accountsFile), s.log)
	}
	st, err := sqlstore.On(ctx, db, sqlstore.Options{Log: s.log, Bus: s.Storage.Bus()})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return st, nil
}

// Apply takes what cfg says about accounts and the memory for pictures.
func (s *Shared) Apply(cfg *config.Config) {
	s.Pictures.SetMemory(int64(cfg.Limits.PictureMemory))
	s.Accounts.Configure(account.Options{Log: s.log, Registration: account.Registration(cfg.Accounts.Registration)})
}

// Where says where services keep what is not in their folders.
func (s *Shared) Where() map[string]string { return s.Storage.Where() }

// Directory is the accounts, for the command `portico user`.
func (s *Shared) Directory() *account.Directory { return s.Accounts }

// Keeps is what lies in the data folder that is no service's, by its folder.
func (s *Shared) Keeps() map[string]service.Kept {
	return map[string]service.Kept{
		accountsFolder: {Databases: []service.Database{{
			Path: accountsFile, Schema: sqlstore.Schema(),
			Move: &service.Move{Migrations: func(d sqldb.Dialect) (fs.FS, error) { return sqlstore.Migrations(d), nil }, Leave: []string{"user_part"}},
		}}},
	}
}

// Close closes the accounts, ends the workers and leaves the bus.
func (s *Shared) Close() error {
	return errors.Join(s.Pictures.Close(), s.Accounts.Close(), s.Storage.Close())
}
