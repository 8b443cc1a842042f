package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
	"github.com/porticod/portico/services/photos/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string, now func() time.Time) store.Store {
		t.Helper()
		s, err := sqlstore.Open(t.Context(), filepath.Join(dir, "photos.db"), zerolog.Nop(), now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
