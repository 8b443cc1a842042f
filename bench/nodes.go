package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	pgserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// nodesPeople are the accounts of a chat of nodes; its group has two thirds.
const nodesPeople = 384

// nodeCounts are how many nodes a chat has; none: one daemon, on SQLite.
var nodeCounts = []int{0, 1, 2, 4}

// A cluster is a chat on so many nodes.
type cluster struct {
	name     string
	nodes    []*chatBench
	database string // of PostgreSQL; empty: SQLite
}

// A nodesBench is clusters, the servers that they share, and what is between them.
type nodesBench struct {
	*bench
	db       *pgserver.Server
	bus      *server
	busAddr  string
	busStats string // the URL of what the bus counts
	clusters []*cluster
	fsync    time.Duration // of 4 KiB, where the database's data lies
}

// nodesSettings are those of the database's server beyond its defaults: commits
// wait for the disk, as they do everywhere, and there is room for 7 nodes.
var nodesSettings = []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on", "shared_buffers=256MB", "max_wal_size=4GB", "max_connections=300"}

// startNodes starts everything. Each cluster has a database of its own, on one
// server.
func startNodes(ctx context.Context, b *bench) (n *nodesBench, err error) {
	n = &nodesBench{bench: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	if n.db, err = pgserver.Run(nodesSettings...); err != nil {
		return n, err
	}
	if n.fsync, err = fsyncTime(n.db.Dir()); err != nil {
		return n, err
	}
	if err := n.startBus(ctx); err != nil {
		return n, err
	}
	for _, count := range nodeCounts {
		c, err := n.startCluster(ctx, count)
		n.clusters = append(n.clusters, c)
		if err != nil {
			return n, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return n, nil
}

func (n *nodesBench) startBus(ctx context.Context) error {
	addrs, err := freeAddrs(2)
	if err != nil {
		return err
	}
	n.busAddr, n.busStats = addrs[0], "http://"+addrs[1]+"/varz"
	host, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		return err
	}
	_, stats, err := net.SplitHostPort(addrs[1])
	if err != nil {
		return err
	}
	n.bus, err = spawn(ctx, n.busAddr, "nats-server", "-a", host, "-p", port, "-m", stats)
	return err
}

// startCluster starts the nodes of a chat, whose people are there before.
func (n *nodesBench) startCluster(ctx context.Context, count int) (*cluster, error) {
	c := &cluster{name: plural(count, "node") + ", PostgreSQL"}
	folders := make([]string, max(1, count))
	for i := range folders {
		var err error
		if folders[i], err = os.MkdirTemp(n.dir, "node-"); err != nil {
			return c, err
		}
	}
	config := chatService + listener("chat", "chat.bench")
	var store *sqlstore.Store
	var err error
	if count == 0 {
		c.name = "1 daemon, SQLite"
		dir := filepath.Join(folders[0], "data", "accounts")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return c, err
		}
		store, err = sqlstore.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
	} else {
		c.database = fmt.Sprintf("nodes%d", count)
		if _, err := n.db.Query("portico", "CREATE DATABASE "+c.database+" OWNER portico"); err != nil {
			return c, err
		}
		url := n.db.URLOf(c.database)
		config += fmt.Sprintf("storage {\n  database = %q\n  bus = \"nats://%s?cluster=%s\"\n}\n", url, n.busAddr, c.database)
		store, err = openAccounts(ctx, url)
	}
	if err != nil {
		return c, fmt.Errorf("open accounts: %w", err)
	}
	names, tokens, err := signUp(ctx, store, nodesPeople)
	if err != nil {
		return c, fmt.Errorf("make accounts: %w", err)
	}
	for _, dir := range folders {
		p, err := startPorticoIn(ctx, n.bin, dir, config)
		if err != nil {
			return c, err
		}
		c.nodes = append(c.nodes, &chatBench{portico: p, addr: p.addrs["chat"], names: names, tokens: tokens, http: &http.Client{Timeout: time.Minute}})
	}
	return c, nil
}

// openAccounts opens the accounts in a database.
func openAccounts(ctx context.Context, url string) (*sqlstore.Store, error) {
	db, err := postgres.Open(ctx, url, postgres.Options{
		Schema: postgres.SchemaName("accounts"), Migrations: sqlstore.Migrations(sqldb.Postgres), Log: zerolog.Nop(),
	})
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.On(ctx, db, sqlstore.Options{Log: zerolog.Nop()})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// stop ends what was started.
func (n *nodesBench) stop() error {
	for _, c := range n.clusters {
		for _, node := range c.nodes {
			node.stop()
		}
	}
	if n.bus != nil {
		n.bus.stop()
	}
	if n.db == nil {
		return nil
	}
	return n.db.Close()
}

// said is what the servers wrote, for who looks for a fault.
func (n *nodesBench) said() string {
	var b strings.Builder
	for _, c := range n.clusters {
		for i, node := range c.nodes {
			if text := node.log.String(); text != "" {
				fmt.Fprintf(&b, "\nnode %d of %s said:\n%s", i+1, c.name, text)
			}
		}
	}
	fmt.Fprintf(&b, "\nPostgreSQL said:\n%s\nNATS said:\n%s", n.db.Log(), n.bus.log)
	return b.String()
}

// at is the node of somebody, counted around.
func (c *cluster) at(i int) *chatBench { return c.nodes[i%len(c.nodes)] }
