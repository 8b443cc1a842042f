package nodes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/link"
	"github.com/porticod/portico/internal/testkit/nats"
	"github.com/porticod/portico/internal/testkit/netns"
	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/program"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
)

// Addresses within the test's network.
const (
	clientsAddr = "10.77.0.1"
	firstAddr   = "10.77.1.1" // of PostgreSQL
	secondAddr  = "10.77.1.2"
	busAddr     = "10.77.2.1"
	bucketAddr  = "10.77.3.1"
	machines    = "10.77.100.0/24"
	machineAddr = "10.77.100."

	nodeCount = 3

	newerVersion = "999.0.0" // of the program that nodes are upgraded to
)

// A cluster is nodes and what they share.
type cluster struct {
	t             *testing.T
	first, second *postgres.Server
	primary       *postgres.Server // one of these
	bus           *nats.Server
	bucket        *s3.Server
	bucketLink    *link.Link // what nodes reach the bucket through
	nodes         []*node
	bin, newer    string // programs
	turn          int    // of nodes

	mu sync.Mutex
}

// A node is a portico on a machine.
type node struct {
	*netns.Machine
	t            *testing.T // of the cluster
	d            *testkit.Daemon
	chat, photos string // URLs
}

// nodeConfig is the config of a node with an address.
const nodeConfig = `
accounts { registration = "open" }
storage {
  database   = "postgres://portico@%[2]s,%[3]s/portico?sslmode=disable"
  bus        = "nats://%[4]s?cluster=nodes"
  blobs      = "s3://bucket/nodes?endpoint=http://%[5]s"
  access_key = "%[6]s"
  secret_key = secret("%[7]s")
}
service "chat" "own" { drain = "1s" }
service "photos" "own" {
  limits {
    requests      = 1000000
    requests_from = 1000000
  }
}
listener "chat" {
  address = "%[1]s:3001"
  service = service.chat.own
}
listener "photos" {
  address = "%[1]s:2001"
  service = service.photos.own
}
`

// newCluster starts everything.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	begun := time.Now()
	c := &cluster{t: t, bin: program.Shipped(t)}
	if c.newer = c.bin; *times > 0 {
		c.newer = program.Versioned(t, newerVersion)
	}
	t.Logf("the programs are there after %v", time.Since(begun))
	net := netns.New(t, machines, clientsAddr, firstAddr, secondAddr, busAddr, bucketAddr)
	dir := openFolder(t)
	rules := filepath.Join(dir, "pg_hba.conf")
	write(t, rules, "local all all trust\nlocal replication all trust\nhost all all 10.77.0.0/16 trust\n")
	c.first = postgres.Start(t, "listen_addresses="+firstAddr, "hba_file="+rules, "max_connections=200", "wal_retrieve_retry_interval=100ms")
	c.second = c.first.Standby(t, "listen_addresses="+secondAddr)
	c.primary = c.first
	c.bus, c.bucket = nats.Start(t), s3.Start(t)
	busLink := link.At(t, busAddr+":0")
	busLink.To(c.bus.Link.Addr)
	c.bucketLink = link.At(t, bucketAddr+":0")
	c.bucketLink.To(c.bucket.Link.Addr)
	key := filepath.Join(dir, "key")
	write(t, key, s3.SecretKey)
	for i := range nodeCount {
		addr := fmt.Sprint(machineAddr, i+1)
		n := &node{Machine: net.Machine(fmt.Sprint("node", i+1), addr), t: t, chat: "http://" + addr + ":3001", photos: "http://" + addr + ":2001"}
		n.d = testkit.StartBinary(t, n.Program(c.bin), fmt.Sprintf(nodeConfig, addr, firstAddr, secondAddr, busLink.Addr, c.bucketLink.Addr, s3.AccessKey, key))
		c.nodes = append(c.nodes, n)
	}
	return c
}

// openFolder is a folder that everybody may read in.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "portico-nodes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ready is what the node says of itself on its own machine.
func (n *node) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	s, err := n.d.Admin.Status(ctx)
	return err == nil && s.Ready
}

// hearsOthers says whether the node is on the bus.
func (n *node) hearsOthers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	s, err := n.d.Admin.Status(ctx)
	return err == nil && s.Storage["bus"] != "" && !strings.HasSuffix(s.Storage["bus"], "(away)")
}

// until waits for something of some nodes, and says how long that took.
func until(t *testing.T, what string, nodes []*node, ok func(*node) bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for _, n := range nodes {
		wait.Until(t, n.Name+" "+what, func() bool { return ok(n) })
	}
	return time.Since(begun)
}

// restart runs a program on the node's machine, after the one before has ended, and
// waits until it is ready.
func (n *node) restart(bin string) { n.d = testkit.RestartBinary(n.t, n.d, n.Program(bin)) }

// checkWork waits until the nodes have done all that can wait, once: no job is left
// or has failed, and who does the upkeep is one that runs.
func (c *cluster) checkWork(t *testing.T) {
	t.Helper()
	wait.Right(t, func() string {
		if left := c.primary.SQL(t, "SELECT count(*), coalesce(max(last_error), '') FROM portico_photos_own.jobs"); left != "0|" {
			return "jobs are left: " + left
		}
		return ""
	})
	wait.Until(t, "a node does the upkeep", func() bool {
		return c.primary.SQL(t, "SELECT coalesce(min(until), 0) > extract(epoch FROM now()) * 1000 FROM portico_chat_own.leases") == "t"
	})
}
