// Package chat is the kind of a chat among people: accounts, conversations,
// messages that are on disk before they are acknowledged, and pushed to whoever
// is connected, over WebSocket, server-sent events, long polls and plain HTTP.
// It does not know how accounts are kept, which ports it is reached on, or TLS.
//
// The layers, from the outside: http*.go and ws.go speak to clients, commands.go
// runs what comes over a connection, ops.go is what can be done, session.go and
// hub.go get events to clients, package store keeps everything.
package chat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/ratelimit"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/pkg/storage"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// Type is the kind.
type Type struct {
	// Accounts are the people, shared with other services.
	Accounts *account.Directory
	// Storage is what services keep things in; nil: their folders.
	Storage *storage.Storage

	between *between // for tests
}

// between stands between a service and what it keeps things in.
type between struct {
	store func(store.Store) store.Store
	open  func(context.Context, sqlstore.Options) (*sqlstore.Store, error) // nil: a file in the service's folder
	wire  bus.Bus                                                          // nil: there are no other nodes
}

// Kind implements service.Type.
func (Type) Kind() string { return "chat" }

// Probe is a WebSocket handshake: it needs no account, and shows that an
// upgrade gets through whatever stands in front.
func (Type) Probe(Config) service.Probe {
	return service.Probe{Kind: service.ProbeWebSocket, Path: "/v1/ws"}
}

// Open implements service.Type.
func (t Type) Open(ctx context.Context, env service.Env, cfg Config) (*Chat, error) {
	if t.Accounts == nil {
		return nil, errors.New("open chat: it was given no accounts")
	}
	if err := t.Accounts.Ready(ctx); err != nil {
		return nil, fmt.Errorf("open chat: %w", err)
	}
	c := &Chat{
		env: env, log: env.Log, failures: env.Log.Sample(&zerolog.BurstSampler{Burst: 20, Period: time.Second}), accounts: t.Accounts, storage: t.Storage, metrics: newMetrics(),
		sends: newUserLimits(), calls: newUserLimits(), typists: newTypingLimit(),
		exports: ratelimit.New[int64](1.0/60, 2, 10_000), strangers: newStrangers(cfg.Limits), uploads: ratelimit.NewCrowd[int64](),
		sessions: map[*session]struct{}{}, presence: newPresence(), wake: make(chan struct{}, 1), thaws: make(chan struct{}, thawMost), wheel: newWheel(),
	}
	c.Update(cfg)
	var err error
	if c.poller, err = newPoller(); err != nil {
		c.wheel.close()
		return nil, fmt.Errorf("open chat: %w", err)
	}
	if err := c.takePresence(); err != nil {
		c.log.Warn().Err(err).Msg("presence begins anew")
	}
	if err := c.openStore(ctx, t.between); err != nil {
		c.wheel.close()
		c.closePoller()
		return nil, fmt.Errorf("open chat: %w", err)
	}
	c.metrics.gauge(c.hub.size)
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.handler = c.routes()
	c.stopBus = c.bus.Subscribe(func(ns []Notice) { c.hub.deliver(ns...) })
	c.stopWatch = c.watchAccounts()
	c.work.Go(func() { c.upkeep(c.ctx) })
	if !c.store.Alone() {
		c.work.Go(func() { c.followLog(c.ctx) })
		c.work.Go(func() { c.followPresence(c.ctx) })
		c.work.Go(func() { c.followCounts(c.ctx) })
		c.work.Go(func() { c.hub.crowd.Follow(c.ctx, c.wire, c.topic("connections")) })
		c.work.Go(func() { c.uploads.Follow(c.ctx, c.wire, c.topic("uploads")) })
	}
	return c, nil
}

// openStore opens what the service keeps, and the hub where the log stands.
func (c *Chat) openStore(ctx context.Context, b *between) error {
	if err := c.openBlobs(); err != nil {
		return err
	}
	open := c.openDatabase
	c.wire = c.storage.Bus()
	if b != nil && b.open != nil {
		open, c.wire = b.open, b.wire
	}
	db, err := open(ctx, sqlstore.Options{Log: c.log, Committed: c.committed, Renewed: c.renewed})
	if err != nil {
		return err
	}
	c.store = db
	if b != nil && b.store != nil {
		c.store = b.store(db)
	}
	c.hub = newHub(db.Cursor(), c.wheel, &c.writers, db.Cursor, c.encodeEvent)
	if db.Alone() {
		c.bus = newLocalBus()
		return nil
	}
	c.bus = newNodeBus(c.wire, c.topic("log"), c.log, c.hub.position)
	c.presence.remote = newRemotes(c.wire, c.topic("presence"))
	c.shareCounts()
	return nil
}

// openDatabase opens the store where the configuration has it, or in the service's
// folder.
func (c *Chat) openDatabase(ctx context.Context, opt sqlstore.Options) (*sqlstore.Store, error) {
	migrations, err := sqlstore.Migrations(sqldb.Postgres)
	if err != nil {
		return nil, err
	}
	db, err := c.storage.Database(ctx, c.place(), sqlstore.File, migrations, c.log)
	if err != nil {
		return nil, err
	}
	if db == nil {
		return sqlstore.Open(ctx, c.env.Dir, opt)
	}
	return sqlstore.On(ctx, db, opt)
}

func (c *Chat) place() storage.Place {
	return storage.Place{Kind: c.env.Kind, Name: c.env.Name, Dir: c.env.Dir}
}

// Chat is a running chat. It implements http.Handler, service.Updater,
// service.Checker, service.Metered and service.Freezer.
type Chat struct {
	env       service.Env
	log       zerolog.Logger
	failures  zerolog.Logger // a full disk fails every request: not each is worth a line
	accounts  *account.Directory
	storage   *storage.Storage
	store     store.Store
	blobs     blob.Store
	spoolDir  string                  // for uploads on their way
	uploads   *ratelimit.Crowd[int64] // on their way, by user
	disk      diskState               // of attachments
	dropping  sync.RWMutex            // held to write while bytes that nothing holds are removed
	clock     steady.Clock            // of what is removed for good
	wire      bus.Bus                 // to other nodes
	unseen    atomic.Pointer[error]   // why it is not known what other nodes wrote; nil: it is
	bus       Bus
	hub       *hub
	wheel     *wheel
	presence  *presence
	keepOnce  sync.Once // for keepPresence
	profiles  profiles
	sends     *userLimits
	calls     *userLimits
	typists   *ratelimit.Limiter[typingKey]
	exports   *ratelimit.Limiter[int64]
	strangers *strangers

	toldExports *ratelimit.Tally[int64] // as that of userLimits

	wake      chan struct{} // of the worker
	thaws     chan struct{} // places of those that are brought up to date after Thaw
	metrics   *metrics
	writers   writers
	poller    *poller // nil: there is none
	handler   http.Handler
	cfg       atomic.Pointer[Config]
	stopWatch func()
	stopBus   func()

	ctx    context.Context // of what sessions do; ends in Close
	cancel context.CancelFunc
	work   sync.WaitGroup // readers and writers of sessions

	mu       sync.Mutex
	sessions map[*session]struct{} // signed in or not; guarded by mu
	closed   bool                  // guarded by mu
}

func (c *Chat) config() *Config { return c.cfg.Load() }

// ServeHTTP implements http.Handler.
func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Update implements service.Updater.
func (c *Chat) Update(cfg Config) {
	c.cfg.Store(&cfg)
	c.sends.set(cfg.Limits.Sends, cfg.Limits.Burst)
	c.calls.set(cfg.Limits.Calls, 10*cfg.Limits.Calls)
	c.strangers.set(cfg.Limits)
}

// Check implements service.Checker.
func (c *Chat) Check(ctx context.Context) error {
	if err := c.store.Check(); err != nil {
		return fmt.Errorf("messages cannot be stored: %w", err)
	}
	if err := c.unseen.Load(); err != nil {
		return fmt.Errorf("the database cannot be read: %w", *err)
	}
	if err := c.checkAttachments(ctx); err != nil {
		return fmt.Errorf("attachments cannot be stored: %w", err)
	}
	return nil
}

// Collectors implements service.Metered.
func (c *Chat) Collectors() []prometheus.Collector { return c.metrics.all }

// Close ends the connections that are left without ceremony (whoever could be
// told was told by drain) and closes the store.
func (c *Chat) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()

	c.stopWatch()
	c.hub.close()
	c.cancel()
	for _, s := range c.everySession() {
		s.tr.abort()
		s.gone()
	}
	c.work.Wait()
	c.closePoller()
	c.stopBus()
	c.wheel.close()
	c.writers.wait() // after all who start one
	return c.store.Close()
}

func (c *Chat) closePoller() {
	if c.poller == nil {
		return
	}
	if err := c.poller.close(); err != nil {
		c.log.Error().Err(err).Msg("close the poller")
	}
}

// begin counts something that Close must wait for; work.Done ends it. False
// means that it is too late.
func (c *Chat) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// open and forget keep the list of sessions. One that comes when Close has gone
// through the list ends at once.
func (c *Chat) open(s *session) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.sessions[s] = struct{}{}
	}
	c.mu.Unlock()
	if closed {
		s.tr.abort()
		s.gone()
	}
}

func (c *Chat) forget(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// blame turns err into what the client may see, and logs what it may not.
func (c *Chat) blame(err error) *Error {
	pub, known := publicError(err)
	switch {
	case known:
	case errors.Is(err, context.Canceled):
		c.log.Debug().Err(err).Msg("the client left")
	default:
		c.failures.Error().Err(err).Msg("request failed")
	}
	return pub
}
