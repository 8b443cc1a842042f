package photos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// TestReadsOfAPage: what a page of posts reads does not depend on how many posts
// or people are in it.
func TestReadsOfAPage(t *testing.T) {
	dir := t.TempDir()
	people := account.New()
	people.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			return accountstore.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
		}, Registration: account.Open,
	})
	st, err := sqlstore.Open(t.Context(), filepath.Join(dir, "photos.db"), zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	ty := Type{Accounts: people, Pictures: picture.NewPool(picture.Options{})}
	p, err := ty.start(t.Context(), service.Env{Kind: "photos", Name: "test", Dir: dir, Log: zerolog.Nop()}, ty.Default(), parts{st, blobs, new(bus.Local).Node()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := people.Close(); err != nil {
			t.Error(err)
		}
	})
	var ids []int64
	for i := range 5 {
		u, err := people.AddUser(t.Context(), account.NewUser{Username: fmt.Sprint("user", i), Password: "correct horse"}, account.RoleUser)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	token, _, err := people.NewSession(t.Context(), account.Session{UserID: ids[0], Service: "photos.test"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		author, other := ids[i%5], ids[(i+1)%5]
		s, _, err := st.AddStatus(t.Context(), store.Draft{Status: store.Status{
			Author: author, Visibility: store.Public, Text: "#sea", Tags: []string{"sea"}, Mentions: []int64{other},
		}})
		if err == nil {
			_, err = st.SetMark(t.Context(), store.Favourite, ids[0], s.ID, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := func(path string) (reads int64, entries int) {
		t.Helper()
		before := st.Reads()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		var list []json.RawMessage
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return st.Reads() - before, len(list)
	}
	for _, path := range []string{"/api/v1/timelines/public", "/api/v1/favourites", "/api/v1/timelines/tag/sea", "/api/v1/notifications"} {
		few, one := reads(path + "?limit=1")
		many, all := reads(path + "?limit=40")
		if one != 1 || all < 8 || many != few || many > 8 {
			t.Errorf("%s: %d reads for %d entries, %d for %d", path, few, one, many, all)
		}
	}
}
