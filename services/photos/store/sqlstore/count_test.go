package sqlstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// counted counts statements.
type counted struct {
	sqldb.Queryer
	n int
}

func (c *counted) Query(query string, args ...any) (sqldb.Rows, error) {
	c.n++
	return c.Queryer.Query(query, args...)
}

func (c *counted) QueryRow(query string, args ...any) *sqldb.Row {
	c.n++
	return c.Queryer.QueryRow(query, args...)
}

// TestStatements: a page of posts with all that belongs to them takes a few
// statements, however many posts there are.
func TestStatements(t *testing.T) {
	d, err := Open(t.Context(), filepath.Join(t.TempDir(), "photos.db"), zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range int64(40) {
		draft := store.Draft{Status: store.Status{Author: 1 + i%20, Visibility: store.Public, Mentions: []int64{100, 101}, Tags: []string{"sea", fmt.Sprint("t", i)}}}
		for n := range 2 {
			m, err := d.AddMedia(t.Context(), store.Media{
				Owner: draft.Author, Original: store.File{Hash: fmt.Sprint(i, n), Width: 9, Height: 9},
				Sizes: []store.File{{Hash: fmt.Sprint(i, n, "s"), Width: 3, Height: 3}},
			}, 0)
			if err != nil {
				t.Fatal(err)
			}
			draft.MediaIDs = append(draft.MediaIDs, m.ID)
		}
		if _, _, err := d.AddStatus(t.Context(), draft); err != nil {
			t.Fatal(err)
		}
	}
	for author := range int64(20) {
		if _, _, err := d.SetFollow(t.Context(), store.Follow{Follower: 100, Target: 1 + author, State: store.Following}); err != nil {
			t.Fatal(err)
		}
	}
	public := []store.Visibility{store.Public}
	for name, f := range map[string]store.Feed{
		"public": {Visibilities: public, NoReplies: true, Exclude: []int64{}}, "home": {Home: 100},
		"tag": {Tags: &store.TagQuery{Any: []string{"sea"}}}, "account": {Authors: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, Visibilities: public},
	} {
		for _, limit := range []int{1, 40} {
			f.Limit = limit
			err := d.db.Read(t.Context(), func(q sqldb.Queryer) error {
				c := &counted{Queryer: q}
				list, err := d.readFeed(c, f)
				if len(list) != limit {
					t.Errorf("%s: %d posts instead of %d", name, len(list), limit)
				}
				if c.n > 5 { // posts, pictures, sizes, mentions, tags
					t.Errorf("%s: %d statements for %d posts", name, c.n, limit)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTooManyParts: who sends an upload byte by byte has to stop.
func TestTooManyParts(t *testing.T) {
	d, err := Open(t.Context(), filepath.Join(t.TempDir(), "photos.db"), zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	expires := time.Now().Add(time.Hour)
	u, err := d.AddUpload(t.Context(), store.Upload{Owner: 1, Length: 2 * store.MaxParts, Expires: expires}, 9, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = d.db.Write(t.Context(), func(tx *tx) error {
		for i := range int64(store.MaxParts - 1) {
			if _, err := tx.Exec(`INSERT INTO upload_parts (upload_id, at, hash, bytes) VALUES (?, ?, 'byte', 1)`, u.ID, i); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE uploads SET "offset" = ? WHERE id = ?`, store.MaxParts-1, u.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, store.ErrTooMany} {
		p := store.Part{At: store.MaxParts - 1 + int64(i), Hash: "byte", Bytes: 1}
		if err := d.AddPart(t.Context(), u.ID, p, expires); !errors.Is(err, want) {
			t.Errorf("part %d: %v instead of %v", p.At, err, want)
		}
	}
	if u, err = d.Upload(t.Context(), u.ID); err != nil || u.Offset != store.MaxParts {
		t.Errorf("offset %d, %v", u.Offset, err)
	}
}
