package sqlite_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

func benchDB(b *testing.B) *sqlite.DB {
	b.Helper()
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "x.db"), sqlite.Options{Migrations: schema(rowTable), Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// BenchmarkWrite: concurrent callers, each waiting for its own commit.
func BenchmarkWrite(b *testing.B) {
	db := benchDB(b)
	var id atomic.Int64
	b.SetParallelism(128)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := db.Write(b.Context(), insert(int(id.Add(1)), "hello, this is a message of usual length")); err != nil {
				b.Error(err)
			}
		}
	})
	s := db.Stats()
	b.ReportMetric(float64(s.Writes)/float64(max(s.Commits, 1)), "writes/commit")
}

// BenchmarkWriteAlone: one caller, so one sync for each write.
func BenchmarkWriteAlone(b *testing.B) {
	db := benchDB(b)
	for i := range b.N {
		if err := db.Write(b.Context(), insert(i, "hello, this is a message of usual length")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	db := benchDB(b)
	if err := db.Write(b.Context(), insert(1, "hello")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var body string
			err := db.Read(b.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT body FROM row WHERE id = ?", 1).Scan(&body)
			})
			if err != nil || body != "hello" {
				b.Error(body, err)
			}
		}
	})
}
