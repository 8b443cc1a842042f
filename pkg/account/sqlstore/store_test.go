package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/accounttest"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

func TestStore(t *testing.T) {
	accounttest.Run(t, func(t *testing.T, dir string) account.Store {
		t.Helper()
		s, err := sqlstore.Open(t.Context(), filepath.Join(dir, "accounts.db"), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
