package sqlstore_test

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// BenchmarkSend stores messages, 64 in a commit, as a client that sends a full
// frame does.
func BenchmarkSend(b *testing.B) {
	s, err := sqlstore.Open(b.Context(), b.TempDir(), sqlstore.Options{Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	alice, bob := store.Person{ID: 1, Username: "alice"}, store.Person{ID: 2, Username: "bob"}
	conv, _, err := s.Direct(b.Context(), alice, bob)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		drafts := make([]store.Draft, 64)
		for i := range drafts {
			drafts[i] = store.Draft{From: alice, Conv: conv.ID, CID: fmt.Sprintf("%d-%d", n, i), Text: "hello, how are you today?"}
		}
		if _, err := s.Send(b.Context(), drafts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*64)/b.Elapsed().Seconds(), "msgs/s")
}
