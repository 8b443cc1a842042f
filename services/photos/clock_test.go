package photos

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/pkg/steady/steadytest"
	"github.com/porticod/portico/services/photos/store"
)

// TestClocksRemoveNothing: bytes whose row is not there yet, pictures that are not
// posted, stories and uploads on their way outlive a clock that is put forward
// and back; not a day that goes by.
func TestClocksRemoveNothing(t *testing.T) {
	b := openBroken(t)
	now := time.Now()
	by := &Photos{log: b.Photos.log, store: b.store, blobs: b.blobs, clock: steady.Clock{Read: func() time.Time { return now }}}
	if _, _, err := b.blobs.Put(t.Context(), strings.NewReader("no row yet"), 100); err != nil {
		t.Fatal(err)
	}
	if w := b.upload(); w.Code != http.StatusOK && w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	hash := strings.Repeat("ab", 32)
	m, err := b.store.AddMedia(t.Context(), store.Media{Owner: 1, Complete: true, Sizes: []store.File{{Hash: hash, Type: "image/jpeg", Width: 1, Height: 1, Bytes: 1}}}, 0)
	if err == nil {
		_, err = b.store.AddStory(t.Context(), store.Story{Owner: 1, Media: m, Visibility: store.Public, Expires: now.Add(storyLife)})
	}
	if err == nil {
		_, err = b.store.AddUpload(t.Context(), store.Upload{Owner: 1, Length: 9, Expires: now.Add(uploadLife)}, 9, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	left := func() (n [4]int64) {
		by.sweep(t.Context())
		by.expire(t.Context())
		by.sweepOrphans(t.Context())
		u, err := b.store.Usage(t.Context())
		if err == nil {
			err = b.blobs.Walk(t.Context(), func(blob.Info) error { n[3]++; return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		n[0], n[1], n[2] = u.Pictures, u.Stories, u.Uploads
		return n
	}
	all := left()
	if all[0] != 2 || all[1] != 1 || all[2] != 1 || all[3] < 2 {
		t.Fatalf("there are %v", all)
	}
	for _, step := range []time.Duration{12 * 365 * 24 * time.Hour, -12 * 365 * 24 * time.Hour, 48 * time.Hour} {
		now = steadytest.Step(now.Add(time.Minute), step)
		if n := left(); n != all {
			t.Errorf("%v of %v after a step of %v", n, all, step)
		}
	}
	now = now.Add(25 * time.Hour)
	if n := left(); n != [4]int64{} {
		t.Errorf("%v a day later", n)
	}
}

// TestSignedAddressesAndClocks: one of yesterday is good when the clock is put
// back over midnight.
func TestSignedAddressesAndClocks(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 1, 0, 0, time.UTC)
	s := signer{key: make([]byte, 32), now: func() time.Time { return now }}
	v := viewer{user: account.User{ID: 7}, session: account.Session{ID: "s"}}
	q, err := url.ParseQuery(s.sign("/media/1/a.jpg", v))
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[time.Duration]int64{0: 7, -5 * time.Minute: 7, 24 * time.Hour: 7, -48 * time.Hour: 0, 15 * 24 * time.Hour: 0} {
		at := signer{key: s.key, now: func() time.Time { return now.Add(step) }}
		if user, _ := at.verify("/media/1/a.jpg", q); user != want {
			t.Errorf("after %v it is user %d's", step, user)
		}
	}
}
