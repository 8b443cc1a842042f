package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/nats"
	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus/bustest"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/storage"
)

func bucket(t *testing.T, s *s3.Server, prefix string) *storage.Storage {
	t.Helper()
	st := storage.New()
	if err := st.Open(storage.Config{Blobs: s.URL(prefix), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	return st
}

func put(t *testing.T, st *storage.Storage, p storage.Place, text string) blob.ID {
	t.Helper()
	b, err := st.Blobs(p)
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := b.Put(t.Context(), strings.NewReader(text), 100)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestFolders(t *testing.T) {
	for name, st := range map[string]*storage.Storage{"none": nil, "without a block": storage.New()} {
		p := storage.Place{Kind: "chat", Name: "lobby", Dir: filepath.Join(t.TempDir(), "lobby")}
		id := put(t, st, p, "x").String()
		if _, err := os.Stat(filepath.Join(p.Dir, "blobs", id[:2], id[2:4], id)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if at, err := storage.Elsewhere(p.Dir); at != "" || err != nil {
			t.Errorf("%s: elsewhere, in %q, %v", name, at, err)
		}
	}
}

// Each service has its own part of the bucket, wherever it runs.
func TestBucket(t *testing.T) {
	srv := s3.Start(t)
	dir := t.TempDir()
	chat := storage.Place{Kind: "chat", Name: "lobby", Dir: filepath.Join(dir, "chat")}
	photos := storage.Place{Kind: "photos", Name: "lobby", Dir: filepath.Join(dir, "photos")}
	id := put(t, bucket(t, srv, "a"), chat, "x")
	b, err := bucket(t, srv, "a").Blobs(photos)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("another service's blob: %v", err)
	}
	again := chat
	again.Dir = filepath.Join(dir, "on another node")
	if b, err = bucket(t, srv, "a").Blobs(again); err != nil {
		t.Fatal(err)
	}
	f, err := b.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	at, err := storage.Elsewhere(chat.Dir)
	if want := "s3://bucket/a/chat/lobby/ at " + srv.Link.Addr; err != nil || at != want {
		t.Errorf("elsewhere is %q, %v, not %q", at, err, want)
	}
}

// A service does not begin where its blobs are not: rows refer to them.
func TestBlobsStayWhereTheyAre(t *testing.T) {
	srv := s3.Start(t)
	p := storage.Place{Kind: "chat", Name: "lobby", Dir: filepath.Join(t.TempDir(), "lobby")}
	if _, err := bucket(t, srv, "a").Blobs(p); err != nil {
		t.Fatal(err)
	}
	refused := func(st *storage.Storage, want string) {
		t.Helper()
		if _, err := st.Blobs(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
	refused(bucket(t, srv, "b"), "the files of service.chat.lobby are in s3://bucket/a/chat/lobby/ at")
	refused(nil, "but the config has no storage.blobs; put it back")
	p.Dir = filepath.Join(t.TempDir(), "another")
	if _, err := storage.New().Blobs(p); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket(t, srv, "a").Blobs(p); err != nil {
		t.Errorf("there were no blobs yet: %v", err)
	}
	p.Dir = filepath.Join(t.TempDir(), "third")
	put(t, storage.New(), p, "x")
	refused(bucket(t, srv, "a"), "take storage.blobs out")
}

func TestCheckBlobs(t *testing.T) {
	srv := s3.Start(t)
	cfg := storage.Config{Blobs: srv.URL(""), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	if err := cfg.CheckBlobs(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.AccessKey = "other"
	if err := cfg.CheckBlobs(t.Context()); err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
		t.Errorf("with another key: %v", err)
	}
	if err := (storage.Config{}).CheckBlobs(t.Context()); err != nil {
		t.Errorf("without a bucket: %v", err)
	}
	if err := storage.New().Open(storage.Config{Blobs: "bucket"}, zerolog.Nop()); err == nil {
		t.Error("any text is a bucket")
	}
}

// Rows stay where they are, too.
func TestDatabase(t *testing.T) {
	cfg := storage.Config{Database: settings.Secret(postgres.Database(t))}
	st := storage.New()
	if err := st.Open(cfg, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	migrations := fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE TABLE x (y bigint)")}}
	p := storage.Place{Kind: "chat", Name: "lobby", Dir: filepath.Join(t.TempDir(), "lobby")}
	open := func(st *storage.Storage, p storage.Place) (sqldb.DB, error) {
		return st.Database(t.Context(), p, "chat.db", migrations, zerolog.Nop())
	}
	for range 2 {
		db, err := open(st, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec("INSERT INTO x VALUES (1)"); return err }); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if at, err := storage.DatabaseElsewhere(p.Dir); err != nil || !strings.HasPrefix(at, "schema portico_chat_lobby of test") {
		t.Errorf("elsewhere is %q, %v", at, err)
	}
	if _, err := open(nil, p); err == nil || !strings.Contains(err.Error(), "but the config has no storage.database; put it back") {
		t.Errorf("without the database: %v", err)
	}
	p.Dir = t.TempDir()
	if db, err := open(nil, p); db != nil || err != nil {
		t.Errorf("a folder without a database: %v, %v", db, err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "chat.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(st, p); err == nil || !strings.Contains(err.Error(), "take storage.database out") {
		t.Errorf("with another database in the folder: %v", err)
	}
	r, err := cfg.CheckDatabase(t.Context())
	if err != nil || r.Standby || !r.Creates || r.Version == "" {
		t.Errorf("the check finds %+v, %v", r, err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func TestBus(t *testing.T) {
	if (*storage.Storage)(nil).Bus().Others() || storage.New().Bus().Others() {
		t.Error("there are others without a bus")
	}
	srv := nats.Start(t)
	cfg := storage.Config{Bus: settings.Secret(srv.URL)}
	var nodes []*storage.Storage
	for range 2 {
		st := storage.New()
		if err := st.Open(cfg, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}()
		nodes = append(nodes, st)
	}
	e := bustest.Listen(t, nodes[1].Bus(), nodes[0].Bus(), "x")
	nodes[0].Bus().Publish("x", []byte("hello"))
	e.Wait(t, "hello")
	if err := cfg.CheckBus(); err != nil {
		t.Error(err)
	}
	srv.Stop()
	if err := cfg.CheckBus(); err == nil {
		t.Error("a bus that is away is fine")
	}
	wait.Until(t, "it is said that the bus is away", func() bool { return strings.HasSuffix(nodes[0].Where()["bus"], " (away)") })
}
