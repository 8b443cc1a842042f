// Package photos is a kind of service: a place to show pictures, with the part
// of the Mastodon client API that photo apps use and a web page. It keeps its
// posts and pictures itself; accounts and the picture pipeline it borrows. It
// does not talk to other servers.
package photos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/pkg/storage"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// Type is the kind, with what its services share with others.
type Type struct {
	Accounts *account.Directory
	Pictures *picture.Pool
	Storage  *storage.Storage // nil: services keep everything in their folders
}

// Kind is "photos".
func (Type) Kind() string { return "photos" }

// Default is the configuration of an empty block.
func (Type) Default() Config { return defaults() }

// Probe asks for what every client asks for first.
func (Type) Probe(Config) service.Probe {
	return service.Probe{Kind: service.ProbeHTTP, Path: "/api/v1/instance", Status: []int{http.StatusOK}}
}

// Photos is a running service.
type Photos struct {
	label     string // kind.name, which tokens are bound to
	name      string
	log       zerolog.Logger
	config    atomic.Pointer[Config]
	people    *account.Directory
	pictures  *picture.Pool
	store     store.Store
	blobs     blob.Store
	node      string // of all that have the same rows, this process
	bus       bus.Bus
	topic     string // of the bus
	spoolDir  string
	transfers transfers
	uploads   *gate
	quota     quota
	signer    signer
	metrics   *metrics
	census    census
	clock     steady.Clock // of what is removed for good
	api       http.Handler
	pages     *web
	// authorization is the page that asks people to let an app in.
	authorization http.Handler

	// keep is held for reading from when bytes are stored until the row that
	// needs them is, and for writing while bytes that nothing needs go.
	keep sync.RWMutex
	// portraits is held while an avatar or a header changes: it stands in the
	// store, and with the accounts.
	portraits sync.Mutex

	wake    chan struct{} // the worker has something to do
	lanes   []*lane
	opened  time.Time
	unwatch func()
	ctx     context.Context // ends with the service; of what outlives its request
	cancel  context.CancelFunc
	done    sync.WaitGroup

	hub      *hub
	follower *follower
	streams  sync.WaitGroup // goroutines of WebSockets
	env      service.Env
}

var (
	_ service.Type[Config, *Photos] = Type{}
	_ service.Updater[Config]       = (*Photos)(nil)
	_ service.Checker               = (*Photos)(nil)
	_ service.Metered               = (*Photos)(nil)
)

// Open opens the service's data where the configuration has it, or in env.Dir, and
// starts its worker.
func (t Type) Open(ctx context.Context, env service.Env, cfg Config) (*Photos, error) {
	at := storage.Place{Kind: env.Kind, Name: env.Name, Dir: env.Dir}
	// First, because the lease of a file is that of the whole folder.
	st, err := t.openStore(ctx, env, at)
	if err != nil {
		return nil, err
	}
	blobs, err := t.Storage.Blobs(at)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	p, err := t.start(ctx, env, cfg, parts{st, blobs, t.Storage.Bus()})
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return p, nil
}

func (t Type) openStore(ctx context.Context, env service.Env, at storage.Place) (store.Store, error) {
	db, err := t.Storage.Database(ctx, at, sqlstore.File, sqlstore.Migrations(sqldb.Postgres), env.Log)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return sqlstore.Open(ctx, filepath.Join(env.Dir, sqlstore.File), env.Log, nil)
	}
	return sqlstore.On(db, nil), nil
}

// parts are what a service is made of.
type parts struct {
	store store.Store
	blobs blob.Store
	bus   bus.Bus
}

// start makes the service; it owns the store from then on.
func (t Type) start(ctx context.Context, env service.Env, cfg Config, of parts) (*Photos, error) {
	st := of.store
	p := &Photos{
		label: env.Label(), name: env.Name, log: env.Log,
		people: t.Accounts, pictures: t.Pictures, store: st, blobs: of.blobs, bus: of.bus, node: rand.Text(),
		census: census{store: st, now: time.Now},
		opened: time.Now(), spoolDir: filepath.Join(env.Dir, "spool"), metrics: newMetrics(st), wake: make(chan struct{}, 1),
	}
	p.lanes = newLanes()
	// Older versions kept uploads in files.
	if err := errors.Join(emptyDir(p.spoolDir), os.RemoveAll(filepath.Join(env.Dir, "uploads"))); err != nil {
		return nil, err
	}
	key, err := st.Secret(ctx, "media-urls")
	if err != nil {
		return nil, fmt.Errorf("open photos: %w", err)
	}
	p.signer = signer{key: key, now: time.Now}
	if p.topic, err = topicOf(ctx, st); err != nil {
		return nil, err
	}
	p.config.Store(&cfg)
	p.api, p.pages = p.newAPI(), p.newWeb()
	p.authorization = p.newAuthorization(key)
	p.hub, p.follower, p.uploads, p.env = newHub(), newFollower(), newGate(), env
	st.OnEvents(p.happened)
	p.unwatch = p.people.Watch(func(c account.Change) {
		if concerns(c.Kind) {
			p.wakeWorker()
		}
		p.followListeners(c)
	})
	ctx, p.cancel = context.WithCancel(ctx)
	p.ctx = ctx
	if st.Shared() {
		stopHearing := p.bus.Subscribe(p.topic, p.hear)
		p.done.Go(func() { p.followEvents(ctx) })
		p.done.Go(func() { p.hub.crowd.Follow(ctx, p.bus, p.topic+".streams") })
		p.done.Go(func() { p.uploads.users.Follow(ctx, p.bus, p.topic+".uploads") })
		p.done.Go(func() {
			defer stopHearing()
			p.tellCalls(ctx)
		})
	}
	p.done.Go(func() { p.work(ctx) })
	p.done.Go(func() { p.workOrphans(ctx) })
	for _, l := range p.lanes {
		p.done.Go(func() { p.workJobs(ctx, l) })
	}
	return p, nil
}

// Update takes another configuration; requests that run keep the one they
// began with.
func (p *Photos) Update(cfg Config) { p.config.Store(&cfg) }

// Check tells whether posts can be stored, and, where the store is elsewhere, read:
// perhaps nobody has asked it for long.
func (p *Photos) Check(ctx context.Context) error {
	if err := p.store.Check(); err != nil || !p.store.Shared() {
		return err
	}
	if _, err := p.store.LastEvent(ctx); err != nil {
		return fmt.Errorf("the database cannot be read: %w", err)
	}
	return nil
}

// Collectors are the service's own metrics.
func (p *Photos) Collectors() []prometheus.Collector {
	return append(p.metrics.collectors(), p.hub.gauge())
}

// Close waits for the worker and closes the data.
func (p *Photos) Close() error {
	p.unwatch()
	p.hub.close(endGone)
	p.cancel()
	p.streams.Wait()
	p.done.Wait()
	p.leaveJobs()
	return p.store.Close()
}

// ServeHTTP answers everything: the API below its roots, the web page elsewhere.
func (p *Photos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/healthz":
		p.healthz(w, r)
	case path == "/health": // where Mastodon's clients ask
		http.ServeContent(w, r, "health.txt", time.Time{}, strings.NewReader("OK"))
	case path == authorizePath || path == authorizePath+"/":
		p.authorization.ServeHTTP(w, r)
	case isAPI(path):
		cors(w.Header())
		r = tidy(r)
		switch tus := isTus(r.URL.Path); {
		case tus && r.Method == http.MethodOptions:
			p.tusOptions(w.Header())
			fallthrough
		case r.Method == http.MethodOptions:
			preflight(w, r)
		case tus:
			p.serveTus(w, r)
		case r.URL.Path == streamRoot || strings.HasPrefix(r.URL.Path, streamRoot+"/"):
			p.serveStreaming(w, r)
		default:
			p.api.ServeHTTP(w, r)
		}
	case strings.HasPrefix(path, mediaRoot):
		p.serveMedia(w, r)
	default:
		p.pages.ServeHTTP(w, r)
	}
}

// apiRoots are where every answer is JSON.
var apiRoots = []string{"/api/", "/oauth/", "/.well-known/", "/nodeinfo/"}

func isAPI(path string) bool {
	for _, root := range apiRoots {
		if strings.HasPrefix(path, root) || path == strings.TrimSuffix(root, "/") {
			return true
		}
	}
	return false
}

// healthz says whether the service can do its work.
func (p *Photos) healthz(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.writeProblem(w, r, fail(http.StatusMethodNotAllowed, "%s is not allowed here", r.Method))
		return
	}
	if err := p.Check(r.Context()); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "failing", "reason": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}
