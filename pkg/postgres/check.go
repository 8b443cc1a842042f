package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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

// parse reads a URL. The library's errors have parts of it.
func parse(url string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("it does not begin with postgres://")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("it is no address like postgres://user:password@host:5432/name; in a password, write % and what follows for other characters than letters and digits")
	}
	if config.Database == "" {
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
	var number int
	row := c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') NOT IN ('off', 'local'),
		has_database_privilege(current_database(), 'CREATE')`)
	if err := row.Scan(&r.Version, &number, &r.Standby, &r.Creates); err != nil {
		return r, classify(err)
	}
	if number < minServer {
		return r, fmt.Errorf("the server is PostgreSQL %s; portico needs %d or newer", r.Version, minServer/10000)
	}
	return r, nil
}
