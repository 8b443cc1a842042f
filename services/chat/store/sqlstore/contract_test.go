package sqlstore_test

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
	"github.com/porticod/portico/services/chat/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string, committed func(int64, []store.Event, int64)) store.Store {
		s, err := sqlstore.Open(t.Context(), dir, sqlstore.Options{Log: zerolog.Nop(), Committed: committed})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
