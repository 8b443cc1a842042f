package cli

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/logging"
)

// userTimeout bounds one call about accounts; setting a password costs time.
const userTimeout = 30 * time.Second

// withAccounts runs fn with the accounts: the running daemon's, else those in
// the data folder, which nobody else may use meanwhile.
func (e *env) withAccounts(ctx context.Context, fn func(context.Context, *account.AdminAPI) error) error {
	ctx, cancel := context.WithTimeout(ctx, userTimeout)
	defer cancel()
	err := e.withDaemon(func(c *admin.Client) error {
		if err := c.Ping(ctx); err != nil {
			return err
		}
		return fn(ctx, account.RemoteAdmin(c.HTTP(), admin.Base+"/users"))
	})
	if errors.Is(err, admin.ErrNotRunning) {
		return e.withLocalAccounts(ctx, fn)
	}
	return err
}

// withLocalAccounts opens the accounts in this process.
func (e *env) withLocalAccounts(ctx context.Context, fn func(context.Context, *account.AdminAPI) error) (err error) {
	if e.Shared == nil || e.Shared.Directory() == nil {
		return failed(errors.New("this program has no accounts"))
	}
	src, err := e.source(nil, nil)
	if err != nil {
		return err
	}
	l := src.load(e.Kinds)
	if l.err != nil {
		e.print(l)
		return silent(exitUsage)
	}
	if err := becomeOwner(l.cfg.DataDir); err != nil {
		return failed(err)
	}
	lease, err := openDataDir(l.cfg.DataDir)
	if err != nil {
		return failed(err)
	}
	defer func() { err = errors.Join(err, failed(lease.Release())) }()
	log := logging.New(e.Err)
	if err := log.Set("warn", logging.Auto); err != nil {
		return failed(err)
	}
	if err := e.Shared.Open(ctx, l.cfg, log.Logger()); err != nil {
		return failed(err)
	}
	return failed(errors.Join(fn(ctx, account.LocalAdmin(e.Shared.Directory())), e.Shared.Close()))
}
