package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// Check connects to the server of url and asks what it is. It changes nothing.
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
		return r, classify(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, c.Close(ctx))
	}()
	if err := checkServer(ctx, &conn{c: c, texts: new(texts)}, SchemaName("check")); err != nil {
		return r, err
	}
	row := c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_standby_names') <> '',
		has_database_privilege(current_database(), 'CREATE')`)
	return r, classify(row.Scan(&r.Version, &r.Standby, &r.Creates))
}
