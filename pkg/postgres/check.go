package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/porticod/portico/pkg/sqldb"
)

// Where is the place that a URL names, as it may be shown: name at host, host.
func Where(url string) (string, error) {
	config, err := parse(url)
	if err != nil {
		return "", err
	}
	hosts := []string{config.Host}
	for _, f := range config.Fallbacks { // one for each host, and for each way to it
		if f.Host != hosts[len(hosts)-1] {
			hosts = append(hosts, f.Host)
		}
	}
	return config.Database + " at " + strings.Join(hosts, ", "), nil
}

// parse is parsePool for one connection.
func parse(url string) (*pgx.ConnConfig, error) {
	config, err := parsePool(url)
	if err != nil {
		return nil, err
	}
	return config.ConnConfig, nil
}

// parsePool reads a URL. The library's errors have parts of it.
func parsePool(url string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("it does not begin with postgres://")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("it is no address like postgres://user:password@host:5432/name; in a password, write % and what follows for other characters than letters and digits")
	}
	if config.ConnConfig.Database == "" {
		return nil, errors.New("it names no database; one follows the host, like postgres://host/portico")
	}
	return config, nil
}

// A Report is what Check finds out about a server that works.
type Report struct {
	Version string
	Standby bool // commits wait for another server: none is lost with this one
	Creates bool // schemas may be made in the database
}

// A Fault is an error of Check that somebody can mend.
type Fault struct {
	Err    error
	Remedy string // sentences
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// fault adds what to do about an error of connecting.
func fault(err error, c *pgx.ConnConfig) error {
	var pe *pgconn.PgError
	remedy := ""
	switch {
	case errors.As(err, &pe) && pe.Code == "3D000":
		remedy = "Make it, as a user who may: CREATE DATABASE " + pgx.Identifier{c.Database}.Sanitize() + " OWNER " + pgx.Identifier{c.User}.Sanitize() + " ENCODING 'UTF8'. Or name the one that is there."
	case errors.As(err, &pe) && strings.HasPrefix(pe.Code, "28"):
		remedy = "Correct user and password in storage.database, or let the user sign in from here in the server's pg_hba.conf."
	case errors.Is(err, errPooler):
		remedy = "Name the server itself, and its own port, which is 5432 if nobody chose another."
	case errors.Is(err, sqldb.ErrAway):
		remedy = "Start the server, correct host and port in storage.database, or open the way from here: its listen_addresses, a firewall. Until then everything that needs it answers 503."
	default:
		return err
	}
	return &Fault{err, remedy}
}

// Check connects to the server of url and asks what it is. It changes nothing. What can
// be mended is a *Fault.
func Check(ctx context.Context, url string) (r Report, err error) {
	config, err := parse(url)
	if err != nil {
		return r, err
	}
	settle(config, SchemaName("check"))
	ctx, cancel := context.WithTimeout(ctx, 2*connectTime)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return r, fault(classify(err), config)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, c.Close(ctx))
	}()
	if err := checkServer(ctx, &conn{c: c, texts: new(texts)}, SchemaName("check")); err != nil {
		return r, fault(err, config)
	}
	row := c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_standby_names') <> '',
		has_database_privilege(current_database(), 'CREATE')`)
	return r, classify(row.Scan(&r.Version, &r.Standby, &r.Creates))
}
