package photos_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	testpostgres "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/storage"
	"github.com/porticod/portico/services/photos"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
	"github.com/porticod/portico/services/servicetest"
)

// nodes are services on one database, one bus and one store of bytes.
type nodes struct {
	t     *testing.T
	url   string
	bus   bus.Local
	blobs *blob.Dir
	cfg   photos.Config
}

func newNodes(t *testing.T) *nodes {
	t.Helper()
	n := &nodes{t: t, url: testpostgres.Database(t), cfg: photos.Type{}.Default()}
	n.bus.Node() // there can be others from the start
	var err error
	if n.blobs, err = blob.OpenDir(filepath.Join(t.TempDir(), "blobs")); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *nodes) database(schema string, engine func(sqldb.Dialect) (postgres.Options, error)) sqldb.DB {
	n.t.Helper()
	opt, err := engine(sqldb.Postgres)
	if err != nil {
		n.t.Fatal(err)
	}
	opt.Schema, opt.Log = schema, zerolog.Nop()
	db, err := postgres.Open(context.Background(), n.url, opt)
	if err != nil {
		n.t.Fatal(err)
	}
	return db
}

// rows opens the store that the nodes have.
func (n *nodes) rows() *sqlstore.DB {
	n.t.Helper()
	return sqlstore.On(n.database("photos", func(e sqldb.Dialect) (postgres.Options, error) {
		return postgres.Options{Migrations: sqlstore.Migrations(e)}, nil
	}), nil)
}

// start starts a node, which has a place on the bus, or the one that is given.
func (n *nodes) start(wire bus.Bus) *site {
	n.t.Helper()
	return n.startOn(wire, n.rows())
}

// startOn is start with a store.
func (n *nodes) startOn(wire bus.Bus, st store.Store) *site {
	t := n.t
	t.Helper()
	if wire == nil {
		wire = n.bus.Node()
	}
	people := account.New()
	people.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			db := n.database("accounts", func(e sqldb.Dialect) (postgres.Options, error) {
				return postgres.Options{Migrations: accountstore.Migrations(e)}, nil
			})
			return accountstore.On(ctx, db, accountstore.Options{Log: zerolog.Nop(), Bus: wire})
		},
		Log: zerolog.Nop(), Registration: account.Open,
	})
	if err := people.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	env := servicetest.NewEnv(t, "photos", "test")
	ty := photos.Type{Accounts: people, Pictures: picture.NewPool(picture.Options{Workers: 1})}
	p, err := photos.Start(context.Background(), ty, env.Env, n.cfg, st, n.blobs, wire)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{HTTPServer: servicetest.HTTP(t, p), t: t, people: people, svc: p, env: env}
	t.Cleanup(func() {
		s.Close()
		if err := errors.Join(p.Close(), people.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// on is an address of one node on another.
func on(s *site, from *site, address string) string {
	return s.URL + strings.TrimPrefix(address, from.URL)
}

// TestNodes: what one node takes another has at once: people, pictures, posts, and
// what those hear who listen there.
func TestNodes(t *testing.T) {
	n := newNodes(t)
	testNodes(t, n.start(nil), n.start(nil))
}

// TestNodesWithoutBus: what is told over the database is told, too.
func TestNodesWithoutBus(t *testing.T) {
	n := newNodes(t)
	testNodes(t, n.start(new(bus.Local).Node()), n.start(new(bus.Local).Node()))
}

func testNodes(t *testing.T, a, b *site) {
	ann, bob := a.signUp("ann"), b.signUp("bob")
	here := a.mustSocket(t, "?stream=user&access_token="+ann)
	there := b.mustSocket(t, "?stream=user&access_token="+ann)
	anybody := b.mustSocket(t, "?stream=public&access_token="+bob)

	m := a.picture(ann, jpegOf(500, 300))
	b.get("/api/v1/media/"+m.ID, ann).is(200)
	b.get("/api/v1/media/"+m.ID, bob).is(404)
	var p status
	b.call("POST", "/api/v1/statuses", ann, url.Values{"media_ids[]": {m.ID}, "status": {"over two nodes #sea"}, "visibility": {"public"}}).is(200).into(&p)
	if got := a.get(on(a, b, p.Media[0].URL), "").is(200); len(got.body) == 0 {
		t.Error("no bytes")
	}
	for _, k := range []*socket{here, there} {
		k.gets("update", p.ID, "user")
	}
	anybody.gets("update", p.ID, "public")

	a.call("POST", "/api/v1/statuses/"+p.ID+"/favourite", bob, nil).is(200)
	for _, k := range []*socket{here, there} {
		if f := k.frame(); f.Event != "notification" {
			t.Errorf("%+v instead of a notification", f)
		}
	}
	b.call("POST", "/api/v2/filters", ann, url.Values{"title": {"rain"}, "context[]": {"home"}}).is(200)
	for _, k := range []*socket{here, there} {
		if f := k.frame(); f.Event != "filters_changed" {
			t.Errorf("%+v instead of filters", f)
		}
	}
	a.call("PUT", "/api/v1/statuses/"+p.ID, ann, url.Values{"status": {"changed"}, "media_ids[]": {m.ID}}).is(200)
	anybody.gets("status.update", p.ID, "public")
	a.call("DELETE", "/api/v1/statuses/"+p.ID, ann, nil).is(200)
	anybody.gets("delete", p.ID, "public")
	b.get("/api/v1/statuses/"+p.ID, bob).is(404)

	// Who is suspended on one node hears no more on the other.
	if err := a.people.Suspend(t.Context(), mustUser(t, a, "bob")); err != nil {
		t.Fatal(err)
	}
	if code := anybody.end(); code != 1008 {
		t.Errorf("ends with %d", code)
	}
}

func mustUser(t *testing.T, s *site, name string) int64 {
	t.Helper()
	u, err := s.people.UserByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// TestNodesQuota: it holds whichever node is asked, and at once.
func TestNodesQuota(t *testing.T) {
	n := newNodes(t)
	file := pngOf(200, 150)
	n.cfg.Quota = 16 << 10
	sites := []*site{n.start(nil), n.start(nil)}
	ann := sites[0].signUp("ann")
	var stored atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		s := sites[i%2]
		wg.Go(func() {
			if s.upload(ann, file).StatusCode == http.StatusOK {
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	st := n.rows()
	defer st.Close()
	p, err := st.Profile(t.Context(), mustUser(t, sites[0], "ann"))
	if err != nil {
		t.Fatal(err)
	}
	// Sizes that are made later count, but keep nobody from what was accepted.
	if got := stored.Load(); got == 0 || got == 8 {
		t.Errorf("%d of 8 were stored, with %d bytes", got, p.Bytes)
	}
	for _, s := range sites {
		s.upload(ann, jpegOf(900, 900)).is(422)
	}
}

// TestNodesLimit: calls count on all nodes.
func TestNodesLimit(t *testing.T) {
	n := newNodes(t)
	n.cfg.Limits.Requests = 5000
	a, b := n.start(nil), n.start(nil)
	ann := a.signUp("ann")
	const calls = 50
	for range calls {
		a.get("/api/v1/preferences", ann).is(200)
	}
	asked := 0
	wait.Until(t, "the other node counts them", func() bool {
		asked++
		left, err := strconv.Atoi(b.get("/api/v1/preferences", ann).Header.Get("X-RateLimit-Remaining"))
		return err == nil && left <= 5000-calls-asked
	})
}

// TestNodesTus: an upload goes on at any node.
func TestNodesTus(t *testing.T) {
	n := newNodes(t)
	a, b := n.start(nil), n.start(nil)
	token := a.signUp("ann")
	ca, cb := tusClient{a, token}, tusClient{b, token}
	file := jpegOf(700, 500)
	path := strings.TrimPrefix(ca.create(len(file)), a.URL)
	cb.patch(path, 0, file[:2000]).is(204)
	if got := ca.offset(path); got != 2000 {
		t.Fatalf("offset %d on the other node", got)
	}
	cb.patch(path, 0, file[:2000]).is(409)
	ca.patch(path, 2000, file[2000:5000]).is(204)
	id := cb.patch(path, 5000, file[5000:]).is(204).Header.Get("Portico-Media-Id")
	if got := ca.do("HEAD", path, nil).is(200).Header.Get("Portico-Media-Id"); got != id || id == "" {
		t.Errorf("picture %q on one node and %q on the other", id, got)
	}
	var m media
	a.get("/api/v1/media/"+id, token).is(200).into(&m)
	if m.Meta.Original.Size != "700x500" {
		t.Errorf("%+v", m.Meta)
	}
	// Two nodes that finish the same upload at once make one picture of it.
	path = strings.TrimPrefix(ca.create(len(file)), a.URL)
	st := n.rows()
	defer st.Close()
	blobID, size, err := n.blobs.Put(t.Context(), bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	upload, err := strconv.ParseInt(filepath.Base(path), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.AddPart(t.Context(), upload, store.Part{Hash: blobID.String(), Bytes: size}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	made := make([]string, 2)
	for i, c := range []tusClient{ca, cb} {
		wg.Go(func() { made[i] = c.do("HEAD", path, nil).Header.Get("Portico-Media-Id") })
	}
	wg.Wait()
	if made[0] == "" || made[0] != made[1] {
		t.Errorf("pictures %q", made)
	}

	path = strings.TrimPrefix(ca.create(100), a.URL)
	cb.do("DELETE", path, nil).is(204)
	ca.do("HEAD", path, nil).is(404)
}

// TestNodesTakeOver: what a node was doing when it died another does once its time
// is over, and what one has too much of the other takes.
func TestNodesTakeOver(t *testing.T) {
	n := newNodes(t)
	st := n.rows()
	defer st.Close()
	file := jpegOf(1200, 800)
	id, size, err := n.blobs.Put(t.Context(), bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	original := store.File{Hash: id.String(), Type: "image/jpeg", Bytes: size, Width: 1200, Height: 800}
	var waiting []int64
	for range 6 {
		m, err := st.AddMedia(t.Context(), store.Media{Owner: 1, Original: original}, 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, m.ID)
	}
	now := time.Now()
	j, ok, _, err := st.TakeJob(t.Context(), store.Take{Kinds: store.JobKinds[:], Node: "dead", Now: now, Until: now.Add(time.Second)})
	if err != nil || !ok || j.Media != waiting[0] {
		t.Fatalf("%+v, %v, %v", j, ok, err)
	}
	a, b := n.start(nil), n.start(nil)
	for _, id := range waiting {
		wait.Until(t, "picture "+strconv.FormatInt(id, 10)+" is complete", func() bool {
			m, err := st.Media(t.Context(), id)
			return err == nil && m.Complete && len(m.Sizes) == 4
		})
	}
	if left := time.Until(now.Add(time.Second)); left > 0 {
		t.Errorf("the dead node's work was done %v too early", left)
	}
	wait.Until(t, "there is nothing to do", func() bool {
		counts, err := st.JobCounts(t.Context())
		for _, c := range counts {
			if c.Waiting+c.Retries+c.Failed > 0 {
				return false
			}
		}
		return err == nil
	})
	wait.Until(t, "each job was done once", func() bool { return jobsDone(t, a)+jobsDone(t, b) == 3*float64(len(waiting)) })
}

// jobsDone is how many jobs a node did.
func jobsDone(t *testing.T, s *site) (n float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.svc.(*photos.Photos).Collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "portico_photos_jobs_total" && l.GetValue() == "done" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// TestNodesErase: an account that is deleted on one node is gone on all, with its
// posts.
func TestNodesErase(t *testing.T) {
	n := newNodes(t)
	a, b := n.start(nil), n.start(nil)
	p := a.post(a.signUp("ann"), "public")
	b.get("/api/v1/statuses/"+p.ID, "").is(200)
	if err := b.people.Delete(t.Context(), mustUser(t, b, "ann")); err != nil {
		t.Fatal(err)
	}
	st := n.rows()
	defer st.Close()
	wait.Until(t, "all is erased", func() bool {
		u, err := st.Usage(t.Context())
		return err == nil && u.Pictures == 0
	})
	for _, s := range []*site{a, b} {
		wait.Until(t, "the post is gone", func() bool { return s.get("/api/v1/statuses/"+p.ID, "").StatusCode == http.StatusNotFound })
	}
}

// TestNodesByConfig: what the storage block says is where the rows are.
func TestNodesByConfig(t *testing.T) {
	n := newNodes(t)
	open := func() *site {
		t.Helper()
		st := storage.New()
		if err := st.Open(storage.Config{Database: settings.Secret(n.url)}, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		people := account.New()
		people.Configure(account.Options{
			Open: func(ctx context.Context) (account.Store, error) {
				db, err := st.Database(ctx, storage.Place{Kind: "accounts", Dir: t.TempDir()}, "accounts.db", accountstore.Migrations(sqldb.Postgres), zerolog.Nop())
				if err != nil {
					return nil, err
				}
				return accountstore.On(ctx, db, accountstore.Options{Log: zerolog.Nop(), Bus: st.Bus()})
			},
			Log: zerolog.Nop(), Registration: account.Open,
		})
		if err := people.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(people.Close(), st.Close()); err != nil {
				t.Error(err)
			}
		})
		k := service.KindOf(photos.Type{Accounts: people, Pictures: picture.NewPool(picture.Options{Workers: 1}), Storage: st})
		svc, env := servicetest.Open(t, k, "text_posts = true")
		return &site{HTTPServer: servicetest.HTTP(t, svc.(http.Handler)), t: t, people: people, svc: svc, env: env}
	}
	a, b := open(), open()
	var p status
	a.call("POST", "/api/v1/statuses", a.signUp("ann"), url.Values{"status": {"Grüße aus dem Café"}}).is(200).into(&p)
	b.get("/api/v1/statuses/"+p.ID, "").is(200)
	found := b.get("/api/v2/search?type=statuses&q=cafe+GRUSSE", b.signUp("bob")).is(200)
	if strings.Contains(found.body, p.ID) {
		t.Error("ß is not ss") // as with SQLite
	}
	if found = b.get("/api/v2/search?type=statuses&q=cafe+gruß", b.signUp("cat")).is(200); !strings.Contains(found.body, p.ID) {
		t.Errorf("not found: %s", found.body)
	}
	// Texts that PostgreSQL cannot have are not the server's fault.
	for _, text := range []string{"zero \x00 inside", "no \xff UTF-8"} {
		r := a.call("POST", "/api/v1/statuses", b.signUp("dan"+strconv.Itoa(len(text))), url.Values{"status": {text}})
		if r.StatusCode != http.StatusOK {
			t.Errorf("%q: %s %s", text, r.Status, r.body)
		}
	}
	if _, err := os.Stat(filepath.Join(a.env.Dir, sqlstore.File)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file too: %v", err)
	}
}

// TestNodesDatabaseAway: while the database is away nothing is acknowledged, and
// clients are told to come again; when it is back all goes on by itself.
func TestNodesDatabaseAway(t *testing.T) {
	server := testpostgres.Start(t)
	n := newNodes(t)
	n.url = server.URL()
	s := n.start(nil)
	ann := s.signUp("ann")
	before := s.post(ann, "public")
	server.Stop(t, testpostgres.Immediate)
	wait.Until(t, "the service says that it is not well", func() bool {
		r := s.upload(ann, small)
		if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusAccepted {
			t.Fatalf("acknowledged: %s", r.body)
		}
		return r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != ""
	})
	s.get("/api/v1/statuses/"+before.ID, "").is(503)
	s.get("/healthz", "").is(503)
	server.Start(t)
	wait.Until(t, "it goes on", func() bool { return s.upload(ann, small).StatusCode == http.StatusOK })
	s.get("/api/v1/statuses/"+before.ID, "").is(200)
	wait.Until(t, "it is well", func() bool { return s.get("/healthz", "").StatusCode == http.StatusOK })
}
