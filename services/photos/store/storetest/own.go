package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// take is a request for a job.
func (s *suite) take(node string, kinds ...store.JobKind) store.Take {
	return store.Take{Kinds: kinds, Node: node, Now: s.clock.Now(), Until: s.clock.Now().Add(time.Minute)}
}

// taken: a job is one node's until its time is over, and again somebody's then.
func taken(s *suite) {
	a, b := s.add(ann, "a"), s.add(ann, "b")
	get := func(node string) (media int64) {
		s.Helper()
		j, _, _, err := s.TakeJob(s.Context(), s.take(node, store.JobLadder))
		s.want(err, nil)
		return j.Media
	}
	first, _, _, err := s.TakeJob(s.Context(), s.take("one", store.JobLadder))
	s.want(err, nil)
	s.same([]int64{first.Media, get("one"), get("two")}, []int64{a.ID, a.ID, b.ID})
	_, ok, next, err := s.TakeJob(s.Context(), s.take("three", store.JobLadder))
	s.want(err, nil)
	s.same([]any{ok, next.Equal(s.clock.Now().Add(time.Minute))}, []any{false, true})

	s.want(s.HoldJob(s.Context(), first.ID, "two", s.clock.Now().Add(5*time.Minute)), store.ErrNotFound)
	s.want(s.HoldJob(s.Context(), first.ID, "one", s.clock.Now().Add(5*time.Minute)), nil)
	s.clock.Move(time.Minute)
	s.same([]int64{get("three"), get("four")}, []int64{b.ID, 0}) // two is dead, one is not
	s.want(s.LeaveJobs(s.Context(), "one"), nil)
	s.want(s.HoldJob(s.Context(), first.ID, "one", s.clock.Now()), store.ErrNotFound)
	s.same(get("four"), a.ID)
	s.want(s.PostponeJob(s.Context(), first.ID, s.clock.Now(), "disk"), nil)
	s.same(get("one"), a.ID) // whoever failed has it no more
	s.clock.Move(-store.MaxTake)
	s.same([]int64{get("five"), get("six")}, []int64{b.ID, 0}) // the clock was ahead when it was taken
}

// turns: work that one does for all.
func turns(s *suite) {
	turn := func(name, node string, life time.Duration) bool {
		s.Helper()
		ok, err := s.TakeTurn(s.Context(), name, node, s.clock.Now(), s.clock.Now().Add(life))
		s.want(err, nil)
		return ok
	}
	s.same([]bool{turn("sweep", "one", time.Minute), turn("sweep", "two", time.Minute), turn("erase", "two", time.Minute)}, []bool{true, false, true})
	s.clock.Move(30 * time.Second)
	s.same([]bool{turn("sweep", "one", time.Minute), turn("erase", "one", time.Minute)}, []bool{true, false})
	s.clock.Move(30 * time.Second)
	s.same([]bool{turn("sweep", "two", time.Minute), turn("erase", "one", 0)}, []bool{false, true})
	s.same([]bool{turn("erase", "two", time.Minute), turn("sweep", "one", store.MaxTurn)}, []bool{true, true})
	s.same(turn("sweep", "two", 0), false)
	s.clock.Move(-time.Hour)
	s.same(turn("sweep", "two", 0), true) // the clock was ahead
}

// jobClocks: nothing waits for a clock that was ahead when it was written.
func jobClocks(s *suite) {
	next := func() (store.Job, bool) {
		s.Helper()
		j, ok, _, err := s.TakeJob(s.Context(), s.take("one", store.JobKinds[:]...))
		s.want(err, nil)
		return j, ok
	}
	s.add(ann, "plain")
	for _, back := range []time.Duration{5 * time.Minute, 12 * 365 * 24 * time.Hour} {
		s.clock.Move(-back)
		if _, ok := next(); !ok {
			s.Errorf("a new job waits for a clock that went back by %v", back)
		}
	}
	for delay, want := range map[time.Duration]bool{store.MaxJobDelay + time.Second: true, store.MaxJobDelay: false} {
		j, _ := next()
		s.want(s.PostponeJob(s.Context(), j.ID, s.clock.Now().Add(delay), "disk"), nil)
		if _, ok := next(); ok != want {
			s.Errorf("a job that was put off by %v is due: %v", delay, ok)
		}
		s.clock.Move(delay)
	}
}

// jobs: a picture has a job for what it lacks, one at a time, until it has all.
func jobs(s *suite) {
	now := func() time.Time { return s.clock.Now() }
	next := func(kinds ...store.JobKind) (store.Job, bool) {
		s.Helper()
		j, ok, _, err := s.TakeJob(s.Context(), s.take("one", kinds...))
		s.want(err, nil)
		return j, ok
	}
	all := store.JobKinds[:]
	plain := s.add(ann, "plain")
	bare := picture(ann, "bare")
	bare.Sizes = nil
	bare, err := s.AddMedia(s.Context(), bare, 0)
	s.want(err, nil)
	done := picture(bob, "done")
	done.Complete = true
	done, err = s.AddMedia(s.Context(), done, 0)
	s.want(err, nil)

	s.reopen()
	j, ok := next(all...)
	s.same([]any{j.Media, j.Kind, ok}, []any{bare.ID, store.JobFirst, true})
	if _, ok := next(store.JobKind("other")); ok {
		s.Error("a job of a kind that there is not")
	}
	_, _, err = s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: []int64{bare.ID}})
	s.want(err, store.ErrPending)
	_, err = s.AddStory(s.Context(), store.Story{Owner: ann, Media: bare, Visibility: store.Public, Expires: now().Add(time.Hour)})
	s.want(err, store.ErrPending)
	s.want(s.AddSizes(s.Context(), bare.ID, picture(ann, "bare").Sizes, "LKO2", false), nil)
	s.want(s.AddSizes(s.Context(), bare.ID, nil, "other", true), nil)
	m, err := s.Media(s.Context(), bare.ID)
	s.want(err, nil)
	s.same([]any{m.Blurhash, m.Complete}, []any{bare.Blurhash, true})

	j, ok = next(all...)
	s.same([]any{j.Media, j.Kind, ok}, []any{plain.ID, store.JobLadder, true})
	_, ok, soon, err := s.TakeJob(s.Context(), s.take("one", store.JobFirst))
	s.want(err, nil)
	s.same([]any{ok, soon.IsZero()}, []any{false, true})

	// A failure comes later, and at last not at all.
	again := now().Add(time.Minute)
	s.want(s.PostponeJob(s.Context(), j.ID, again, "disk"), nil)
	_, ok, soon, err = s.TakeJob(s.Context(), s.take("one", store.JobLadder))
	s.want(err, nil)
	s.same([]any{ok, soon.Equal(again)}, []any{false, true})
	s.clock.Move(time.Minute)
	j, ok = next(store.JobLadder)
	s.same([]any{ok, j.Attempts, j.LastError}, []any{true, 1, "disk"})
	s.want(s.PostponeJob(s.Context(), j.ID, time.Time{}, "worse"), nil)
	if _, ok := next(store.JobLadder); ok {
		s.Error("a job that was given up is due")
	}
	failed, err := s.FailedJobs(s.Context(), 10)
	s.want(err, nil)
	s.same(failed, []store.Job{{ID: j.ID, Kind: store.JobLadder, Media: plain.ID, Attempts: 2, LastError: "worse"}})
	counts, err := s.JobCounts(s.Context())
	s.want(err, nil)
	s.same(counts, []store.JobCount{{Kind: store.JobFirst}, {Kind: store.JobLadder, Failed: 1}, {Kind: store.JobVariants, Waiting: 2}})
	n, err := s.RetryJobs(s.Context())
	s.want(err, nil)
	s.same(n, int64(1))
	if _, ok := next(store.JobLadder); !ok {
		s.Error("a job is not tried again")
	}

	// The last job of a picture goes with what it made.
	files := []store.File{{Hash: "webp", Type: "image/webp", Bytes: 5, Width: 320, Height: 240}}
	s.want(s.AddVariants(s.Context(), done.ID, files), nil)
	s.want(s.AddVariants(s.Context(), done.ID, files), nil)
	s.want(s.AddVariants(s.Context(), 99, files), store.ErrNotFound)
	m, err = s.Media(s.Context(), done.ID)
	s.want(err, nil)
	s.same(m.Variants, files)
	used, err := s.Referenced(s.Context(), "webp")
	s.want(err, nil)
	s.same(used, true)
	p, err := s.Profile(s.Context(), bob)
	s.want(err, nil)
	s.same(p.Bytes, int64(1015))
	s.want(s.SpoilMedia(s.Context(), plain.ID, "damaged"), nil)
	s.want(s.SpoilMedia(s.Context(), 99, "damaged"), store.ErrNotFound)
	_, _, err = s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: []int64{plain.ID}})
	s.want(err, store.ErrMedia)
	j, ok = next(all...)
	s.same([]any{j.Media, ok}, []any{bare.ID, true})
	s.want(s.RemoveJob(s.Context(), j.ID), nil)
	s.want(s.RemoveJob(s.Context(), j.ID), nil)
	if j, ok := next(all...); ok {
		s.Errorf("left: %+v", j)
	}
}

func uploads(s *suite) {
	now := s.clock.Now()
	u := store.Upload{Owner: ann, Length: 500, Metadata: "filename YQ==", Description: "a", FocusX: 1, Expires: now.Add(time.Hour)}
	u, err := s.AddUpload(s.Context(), u, 2, 2000)
	s.want(err, nil)
	parts := []store.Part{{At: 0, Hash: "part", Bytes: 60}, {At: 60, Hash: "other part", Bytes: 40}}
	for i, p := range parts {
		s.want(s.AddPart(s.Context(), u.ID, p, now.Add(time.Duration(i+1)*time.Hour)), nil)
		s.want(s.AddPart(s.Context(), u.ID, p, now), store.ErrNotFound) // it came from another node before
	}
	s.want(s.AddPart(s.Context(), u.ID, store.Part{At: 100, Hash: "long", Bytes: 401}, now), store.ErrNotFound)
	s.want(s.AddPart(s.Context(), u.ID+1, parts[0], now), store.ErrNotFound)
	needed := func(hash string) bool {
		s.Helper()
		yes, err := s.Referenced(s.Context(), hash)
		s.want(err, nil)
		return yes
	}
	s.same(needed("other part"), true)
	s.reopen()
	got, err := s.Upload(s.Context(), u.ID)
	s.want(err, nil)
	u.Offset, u.Expires = 100, now.Add(2*time.Hour)
	s.same(got, u)
	have, err := s.Parts(s.Context(), u.ID)
	s.want(err, nil)
	s.same(have, parts)
	_, err = s.Upload(s.Context(), u.ID+1)
	s.want(err, store.ErrNotFound)

	_, err = s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1501, Expires: u.Expires}, 2, 2000)
	s.want(err, store.ErrQuota)
	second, err := s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1500, Expires: u.Expires}, 2, 2000)
	s.want(err, nil)
	_, err = s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1, Expires: u.Expires}, 2, 0)
	s.want(err, store.ErrUploads)
	_, err = s.AddUpload(s.Context(), store.Upload{Owner: bob, Length: 1, Expires: u.Expires}, 2, 0)
	s.want(err, nil)

	// An upload becomes one picture, and is not open any more.
	m := picture(ann, "sent")
	m.Upload = u.ID
	m, err = s.AddMedia(s.Context(), m, 0)
	s.want(err, nil)
	twice := picture(ann, "twice")
	twice.Upload = u.ID
	_, err = s.AddMedia(s.Context(), twice, 0)
	s.want(err, store.ErrNotFound)
	s.want(s.AddPart(s.Context(), u.ID, store.Part{At: 100, Hash: "late", Bytes: 400}, now), store.ErrNotFound)
	s.same(needed("other part"), false)
	got, err = s.Upload(s.Context(), u.ID)
	s.want(err, nil)
	s.same(got.Media, m.ID)
	_, err = s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1, Expires: u.Expires}, 2, 0)
	s.want(err, nil)

	last := store.Part{Hash: "last", Bytes: 3}
	s.want(s.AddPart(s.Context(), second.ID, last, u.Expires), nil)
	gone, err := s.RemoveUpload(s.Context(), second.ID)
	s.want(err, nil)
	s.same(gone, []store.Part{last})
	_, err = s.RemoveUpload(s.Context(), second.ID)
	s.want(err, store.ErrNotFound)
	n, gone, err := s.ExpireUploads(s.Context(), now.Add(3*time.Hour), 2)
	s.want(err, nil)
	more, _, err := s.ExpireUploads(s.Context(), now.Add(3*time.Hour), 2)
	s.want(err, nil)
	s.same([]int{n, more, len(gone)}, []int{2, 1, 0})
	_, err = s.Media(s.Context(), m.ID)
	s.want(err, nil)
}

func stories(s *suite) {
	now := s.clock.Now()
	m := s.add(ann, "sunset")
	add := func(owner, media int64, life time.Duration) (store.Story, error) {
		return s.AddStory(s.Context(), store.Story{Owner: owner, Media: store.Media{ID: media}, Visibility: store.Public, Caption: "red", Expires: now.Add(life)})
	}
	_, err := add(bob, m.ID, time.Hour)
	s.want(err, store.ErrMedia)
	a, err := add(ann, m.ID, time.Hour)
	s.want(err, nil)
	_, err = add(ann, m.ID, time.Hour)
	s.want(err, store.ErrMedia)
	_, _, err = s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: []int64{m.ID}})
	s.want(err, store.ErrMedia)
	b, err := add(bob, s.add(bob, "tree").ID, 2*time.Hour)
	s.want(err, nil)
	got, err := s.Media(s.Context(), m.ID)
	s.want(err, nil)
	s.same([]any{got.Story, got.Visibility, got.Expires.Equal(now.Add(time.Hour))}, []any{a.ID, store.Public, true})

	s.want(s.SeeStory(s.Context(), a.ID, bob), nil)
	s.want(s.SeeStory(s.Context(), a.ID, bob), nil)
	s.want(s.SeeStory(s.Context(), 99, bob), store.ErrNotFound)
	s.reopen()
	list, err := s.Stories(s.Context(), []int64{ann, bob}, bob, now)
	s.want(err, nil)
	a.Views, a.Seen = 1, true
	s.same(list, []store.Story{a, b})
	list, err = s.Stories(s.Context(), []int64{bob, 99}, ann, now)
	s.want(err, nil)
	s.same(list, []store.Story{b})
	views, err := s.StoryViews(s.Context(), a.ID, 10)
	s.want(err, nil)
	s.same(views, []store.View{{User: bob, At: now}})
	one, err := s.Story(s.Context(), a.ID, ann)
	s.want(err, nil)
	s.same([]any{one.Views, one.Seen}, []any{int64(1), false})

	// Pictures of stories are not swept as loose ones; they go with the story.
	s.clock.Move(90 * time.Minute)
	gone, err := s.Sweep(s.Context(), s.clock.Now(), 10)
	s.want(err, nil)
	s.same(len(gone), 0)
	list, err = s.Stories(s.Context(), []int64{ann, bob}, 0, s.clock.Now())
	s.want(err, nil)
	s.same(len(list), 1)
	gone, err = s.ExpireStories(s.Context(), s.clock.Now(), 10)
	s.want(err, nil)
	s.same([]any{len(gone), gone[0].ID}, []any{1, m.ID})
	_, err = s.Media(s.Context(), m.ID)
	s.want(err, store.ErrNotFound)
	_, err = s.RemoveStory(s.Context(), b.ID, ann)
	s.want(err, store.ErrNotFound)
	last, err := s.RemoveStory(s.Context(), b.ID, bob)
	s.want(err, nil)
	s.same(last.ID, b.Media.ID)
	_, err = s.Story(s.Context(), b.ID, bob)
	s.want(err, store.ErrNotFound)
	p, err := s.Profile(s.Context(), bob)
	s.want(err, nil)
	s.same(p.Bytes, int64(0))
}

func albums(s *suite) {
	p, q, other := s.post(ann, store.Public), s.post(ann, store.Private), s.post(bob, store.Public)
	a, err := s.AddAlbum(s.Context(), store.Album{Owner: ann, Title: "Sea", Visibility: store.Public, Posts: []int64{q.ID, p.ID}})
	s.want(err, nil)
	_, err = s.AddAlbum(s.Context(), store.Album{Owner: ann, Title: "Not mine", Visibility: store.Public, Posts: []int64{other.ID}})
	s.want(err, store.ErrItem)
	b, err := s.AddAlbum(s.Context(), store.Album{Owner: ann, Title: "Empty", Visibility: store.Private, Posts: []int64{}})
	s.want(err, nil)
	s.reopen()
	got, err := s.Album(s.Context(), a.ID)
	s.want(err, nil)
	s.same(got, a)
	_, err = s.Album(s.Context(), 99)
	s.want(err, store.ErrNotFound)
	list, err := s.Albums(s.Context(), ann, store.Page{Limit: 10})
	s.want(err, nil)
	s.same(list, []store.Album{b, a})
	list, err = s.Albums(s.Context(), ann, store.Page{Limit: 1, Min: a.ID})
	s.want(err, nil)
	s.same(list, []store.Album{b})

	title, order := "Lake", []int64{p.ID, q.ID, p.ID}
	got, err = s.EditAlbum(s.Context(), a.ID, ann, store.AlbumEdit{Title: &title, Posts: &order})
	s.want(err, nil)
	a.Title, a.Posts = title, []int64{p.ID, q.ID}
	s.same(got, a)
	_, err = s.EditAlbum(s.Context(), a.ID, bob, store.AlbumEdit{Title: &title})
	s.want(err, store.ErrNotFound)
	order = []int64{other.ID}
	_, err = s.EditAlbum(s.Context(), a.ID, ann, store.AlbumEdit{Posts: &order})
	s.want(err, store.ErrItem)
	_, err = s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
	got, err = s.Album(s.Context(), a.ID)
	s.want(err, nil)
	s.same(got.Posts, []int64{q.ID})
	s.want(s.RemoveAlbum(s.Context(), a.ID, bob), store.ErrNotFound)
	s.want(s.RemoveAlbum(s.Context(), a.ID, ann), nil)
	_, err = s.Status(s.Context(), q.ID)
	s.want(err, nil)
}

func reports(s *suite) {
	r, err := s.AddReport(s.Context(), store.Report{Reporter: ann, Target: bob, Category: "spam", Comment: "buy!", Statuses: []int64{1, 2}})
	s.want(err, nil)
	second, err := s.AddReport(s.Context(), store.Report{Reporter: bob, Target: ann, Category: "other", Statuses: []int64{}})
	s.want(err, nil)
	s.reopen()
	list := func(resolved bool, p store.Page) []store.Report {
		s.Helper()
		out, err := s.Reports(s.Context(), resolved, p)
		s.want(err, nil)
		return out
	}
	s.same(list(false, store.Page{Limit: 10}), []store.Report{second, r})
	s.same(list(false, store.Page{Limit: 10, Max: second.ID}), []store.Report{r})
	got, err := s.ResolveReport(s.Context(), r.ID, 7, "suspended")
	s.want(err, nil)
	r.ResolvedBy, r.ResolvedAt, r.Action = 7, s.clock.Now(), "suspended"
	s.same(got, r)
	s.same(list(true, store.Page{Limit: 10}), []store.Report{r})
	_, err = s.ResolveReport(s.Context(), 99, 7, "")
	s.want(err, store.ErrNotFound)
	if got, err = s.ResolveReport(s.Context(), r.ID, 0, ""); err != nil || got.ResolvedBy != 0 || !got.ResolvedAt.IsZero() {
		s.Errorf("opened again: %+v, %v", got, err)
	}
	u, err := s.Usage(s.Context())
	s.want(err, nil)
	s.same(u.OpenReports, int64(2))
}

// eraseOwn: nothing is left of somebody who is erased but what they reported.
func eraseOwn(s *suite) {
	now := s.clock.Now()
	m := s.add(ann, "story")
	_, err := s.AddStory(s.Context(), store.Story{Owner: ann, Media: m, Visibility: store.Public, Expires: now.Add(time.Hour)})
	s.want(err, nil)
	theirs, err := s.AddStory(s.Context(), store.Story{Owner: bob, Media: s.add(bob, "other"), Visibility: store.Public, Expires: now.Add(time.Hour)})
	s.want(err, nil)
	s.want(s.SeeStory(s.Context(), theirs.ID, ann), nil)
	_, err = s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1, Expires: now.Add(time.Hour)}, 2, 0)
	s.want(err, nil)
	_, err = s.AddAlbum(s.Context(), store.Album{Owner: ann, Title: "Sea", Visibility: store.Public, Posts: []int64{s.post(ann, store.Public).ID}})
	s.want(err, nil)
	by, err := s.AddReport(s.Context(), store.Report{Reporter: ann, Target: bob, Category: "spam"})
	s.want(err, nil)
	_, err = s.AddReport(s.Context(), store.Report{Reporter: bob, Target: ann, Category: "spam"})
	s.want(err, nil)
	var gone []int64
	for more := true; more; {
		var list []store.Media
		list, more, err = s.Erase(s.Context(), ann, 2)
		s.want(err, nil)
		for _, m := range list {
			gone = append(gone, m.ID)
		}
	}
	if !slices.Contains(gone, m.ID) {
		s.Error("the picture of the story is not among those that are gone")
	}
	u, err := s.Usage(s.Context())
	s.want(err, nil)
	s.same([]int64{u.Pictures, u.Uploads, u.Stories, u.Albums, u.OpenReports}, []int64{1, 0, 1, 0, 1})
	r, err := s.Report(s.Context(), by.ID)
	s.want(errors.Join(err), nil)
	s.same(r.Reporter, int64(0))
	views, err := s.StoryViews(s.Context(), theirs.ID, 10)
	s.want(err, nil)
	s.same(len(views), 0)
}
