package sqlstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// BenchmarkSendSingly stores messages of 256 senders, each of whom waits for
// his answer, as people do.
func BenchmarkSendSingly(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		s, err := sqlstore.Open(b.Context(), b.TempDir(), sqlstore.Options{Log: zerolog.Nop()})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		sendSingly(b, s)
	})
	b.Run("postgres", func(b *testing.B) {
		server := pgtest.Start(b, "fsync=on")
		sendSingly(b, onPostgres(b, server.URL(), sqlstore.Options{Log: zerolog.Nop()}))
	})
}

func sendSingly(b *testing.B, s *sqlstore.Store) {
	const senders = 256
	convs := make([]store.ConvID, senders)
	person := func(i int) store.Person { return store.Person{ID: int64(i + 1), Username: fmt.Sprintf("u%d", i)} }
	for i := range senders {
		sum, _, err := s.Direct(b.Context(), person(i), person((i+1)%senders))
		if err != nil {
			b.Fatal(err)
		}
		convs[i] = sum.ID
	}
	var next atomic.Int64
	b.SetParallelism(senders / 2)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)-1) % senders
		for n := 0; pb.Next(); n++ {
			sent, err := s.Send(b.Context(), []store.Draft{{From: person(i), Conv: convs[i], CID: fmt.Sprintf("%d-%d", i, n), Text: "hello, how are you today?"}})
			if err != nil || sent[0].Err != nil {
				b.Fatal(err, sent)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}
