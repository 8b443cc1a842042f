package storage_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/storage"
)

// folder is a data folder with one chat.
func folder(t *testing.T) (dataDir string, p storage.Part) {
	t.Helper()
	dataDir = t.TempDir()
	return dataDir, storage.Part{
		Place: storage.Place{Kind: "chat", Name: "own", Dir: filepath.Join(dataDir, "chat", "own")},
		File:  "chat.db", Schema: 1, Files: true,
		Migrations: func(sqldb.Dialect) (fs.FS, error) {
			return fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE TABLE x (y bigint PRIMARY KEY)")}}, nil
		},
	}
}

func move(t *testing.T, dataDir string, p storage.Part, from, to storage.Config) *storage.Move {
	t.Helper()
	return &storage.Move{DataDir: dataDir, Parts: []storage.Part{p}, From: from, To: to, Log: zerolog.Nop()}
}

// complete does all of a move.
func complete(t *testing.T, m *storage.Move) (storage.Done, error) {
	t.Helper()
	if err := m.Begin(); err != nil {
		t.Fatal(err)
	}
	done, err := m.Complete(t.Context())
	if eerr := m.End(); eerr != nil {
		t.Error(eerr)
	}
	return done, err
}

// opened opens a place with a block.
func opened(t *testing.T, cfg storage.Config, p storage.Part) (db sqldb.DB, blobs blob.Store) {
	t.Helper()
	st := storage.New()
	if err := st.Open(cfg, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	sub, _ := p.Migrations(sqldb.Postgres)
	db, err := st.Database(t.Context(), p.Place, p.File, sub, zerolog.Nop())
	if err == nil && db == nil {
		db, err = sqlite.Open(t.Context(), filepath.Join(p.Dir, p.File), sqlite.Options{Migrations: sub, Log: zerolog.Nop()})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if blobs, err = st.Blobs(p.Place); err != nil {
		t.Fatal(err)
	}
	return db, blobs
}

func insert(t *testing.T, db sqldb.DB, n int) {
	t.Helper()
	if err := db.Write(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec("INSERT INTO x VALUES (?)", n); return err }); err != nil {
		t.Fatal(err)
	}
}

// holds fails where a place has not the rows and files wanted.
func holds(t *testing.T, cfg storage.Config, p storage.Part, rows int, texts ...string) {
	t.Helper()
	db, blobs := opened(t, cfg, p)
	var n int
	if err := db.Read(t.Context(), func(q sqldb.Queryer) error { return q.QueryRow("SELECT count(*) FROM x").Scan(&n) }); n != rows || err != nil {
		t.Errorf("%d rows, %v, not %d", n, err, rows)
	}
	var sizes []int64
	if err := blobs.Walk(t.Context(), func(i blob.Info) error { sizes = append(sizes, i.Size); return nil }); err != nil {
		t.Error(err)
	}
	slices.Sort(sizes)
	var want []int64
	for _, text := range texts {
		want = append(want, int64(len(text)))
	}
	if !slices.Equal(sizes, want) {
		t.Errorf("files of %v bytes, not %v", sizes, want)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// One part after the other moves, there and back, whatever the block names.
func TestMoveInParts(t *testing.T) {
	srv := s3.Start(t)
	bucket := storage.Config{Blobs: srv.URL("a"), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	both := bucket
	both.Database = settings.Secret(postgres.Database(t))
	rows := storage.Config{Database: both.Database}
	dataDir, p := folder(t)
	db, blobs := opened(t, storage.Config{}, p)
	insert(t, db, 1)
	for _, text := range []string{"a", "file"} {
		if _, _, err := blobs.Put(t.Context(), strings.NewReader(text), 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for i, step := range [][2]storage.Config{{{}, bucket}, {bucket, both}, {both, rows}, {rows, {}}, {{}, both}, {both, {}}} {
		done, err := complete(t, move(t, dataDir, p, step[0], step[1]))
		if err != nil || len(done.Left) == 0 {
			t.Fatalf("step %d: %+v, %v", i, done, err)
		}
		holds(t, step[1], p, 1, "a", "file")
		if m, err := storage.ReadMark(dataDir); m != nil || err != nil {
			t.Errorf("step %d left the mark %+v, %v", i, m, err)
		}
		_, after, _ := strings.Cut(done.Left[0], "moved")
		if i == 0 && after == "" {
			t.Errorf("left behind: %v", done.Left)
		}
	}
	if done, err := complete(t, move(t, dataDir, p, storage.Config{}, storage.Config{})); err != nil || len(done.Left) > 0 {
		t.Errorf("nothing to move: %+v, %v", done, err)
	}
}

// What was cut off amid the switch is done by the next one, and nothing before.
func TestMoveIsCutOff(t *testing.T) {
	srv := s3.Start(t)
	to := storage.Config{Database: settings.Secret(postgres.Database(t)), Blobs: srv.URL("a"), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	dataDir, p := folder(t)
	db, _ := opened(t, storage.Config{}, p)
	insert(t, db, 1)
	m := move(t, dataDir, p, storage.Config{}, to)
	if err := m.Begin(); err != nil {
		t.Fatal(err)
	}
	if err := move(t, dataDir, p, storage.Config{}, to).Begin(); !errors.Is(err, storage.ErrMoving) {
		t.Errorf("another one at the same time: %v", err)
	}
	if done, err := m.Pass(t.Context()); err != nil || done.Rows != 1 || done.Changed != 1 {
		t.Errorf("a pass while it is open: %+v, %v", done, err)
	}
	insert(t, db, 2)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Complete(cut); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
	if err := m.Copied(); err != nil {
		t.Error(err)
	}
	if err := m.End(); err != nil {
		t.Error(err)
	}
	holds(t, storage.Config{}, p, 2)
	// A file in the way of the mark: everything is proved, and the folder cannot be
	// told.
	inTheWay := filepath.Join(p.Dir, "database.at", "x")
	m = move(t, dataDir, p, storage.Config{}, to)
	m.Parts[0].Finish = func(context.Context, sqldb.DB) error { return os.MkdirAll(inTheWay, 0o700) }
	if _, err := complete(t, m); err == nil || !strings.Contains(err.Error(), "note where the data is") {
		t.Errorf("with something in the way: %v", err)
	}
	if mark, err := storage.ReadMark(dataDir); err != nil || mark == nil || mark.Stage != storage.Switching || !mark.Leads(to) {
		t.Fatalf("the mark is %+v, %v", mark, err)
	}
	if err := storage.Abandon(t.Context(), dataDir, to, []storage.Part{p}); err == nil {
		t.Error("what is switched can be given up")
	}
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	if _, err := complete(t, move(t, dataDir, p, storage.Config{}, to)); err != nil {
		t.Fatal(err)
	}
	holds(t, to, p, 2)
}

// A file that is damaged is not taken for what it was.
func TestMoveDamaged(t *testing.T) {
	srv := s3.Start(t)
	to := storage.Config{Blobs: srv.URL("a"), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	dataDir, p := folder(t)
	_, blobs := opened(t, storage.Config{}, p)
	id, _, err := blobs.Put(t.Context(), strings.NewReader("some bytes"), 100)
	if err != nil {
		t.Fatal(err)
	}
	name := id.String()
	if err := os.WriteFile(filepath.Join(p.Dir, "blobs", name[:2], name[2:4], name), []byte("same bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := complete(t, move(t, dataDir, p, storage.Config{}, to)); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "it was damaged before") {
		t.Errorf("a damaged file: %v", err)
	}
}
