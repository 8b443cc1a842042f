package photos

import (
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// A personRow is somebody in a list, with what the viewer is to them.
type personRow struct {
	entity.Account
	Rel  *entity.Relationship // nil: oneself, or nobody is signed in
	Path string               // of the page
}

// rows renders people in the order of ids, without those who are gone or hidden
// by a block.
func (v *visit) rows(ids []int64) ([]personRow, error) { return v.rowsOf(ids, unblocked) }

func (v *visit) rowsOf(ids []int64, s show) ([]personRow, error) {
	list, err := v.renderer().people(ids, s)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	rels := map[entity.ID]*entity.Relationship{}
	if v.viewer.signedIn() {
		shown := make([]int64, len(list))
		for i, a := range list {
			shown[i] = int64(a.ID)
		}
		found, err := v.p.relationshipsTo(v.call(), shown...)
		if err != nil {
			return nil, err
		}
		for i := range found {
			rels[found[i].ID] = &found[i]
		}
	}
	out := make([]personRow, len(list))
	for i, a := range list {
		out[i] = personRow{Account: a, Path: v.r.URL.RequestURI()}
		if int64(a.ID) != v.viewer.user.ID {
			out[i].Rel = rels[a.ID]
		}
	}
	return out, nil
}

// profilePage is what the page of a person has beside the posts.
type profilePage struct {
	personRow
	Mine    bool
	Posts   int64 // of the grid; StatusesCount has answers too
	Stories bool  // that the viewer may see
	Unseen  bool
	Albums  []entity.Album
	Hidden  bool // only followers see the posts
	Tab     string

	rel relation
}

// person makes the head of the pages of somebody.
func (v *visit) person(u account.User) (d profilePage, err error) {
	rows, err := v.rowsOf([]int64{u.ID}, everyone)
	if err != nil {
		return d, err
	}
	if len(rows) == 0 {
		return d, errNoPage
	}
	d.personRow, d.Mine = rows[0], u.ID == v.viewer.user.ID
	if d.rel, err = v.p.relation(v.r.Context(), v.viewer, u); err != nil {
		return d, err
	}
	if d.Posts, err = v.p.store.CountPosts(v.r.Context(), v.grid(u, d.rel)); err != nil {
		return d, err
	}
	if v.viewer.signedIn() {
		groups, err := v.p.groups(v.r.Context(), v.renderer(), []int64{u.ID})
		if err != nil {
			return d, err
		}
		if len(groups) > 0 {
			d.Stories, d.Unseen = true, !groups[0].Seen
		}
	}
	return d, nil
}

// grid is the feed of the page of somebody whom the viewer is rel to.
func (v *visit) grid(u account.User, rel relation) store.Feed {
	return store.Feed{Authors: []int64{u.ID}, Visibilities: visible(rel), NoReplies: true, OnlyMedia: !v.cfg.TextPosts}
}

func (wb *web) profile(v *visit) error {
	u, err := v.who()
	if err != nil {
		return err
	}
	d, err := v.person(u)
	if err != nil {
		return err
	}
	list, older, err := v.read(v.grid(u, d.rel), webGrid)
	if err != nil {
		return err
	}
	d.Tab, d.Hidden = "posts", d.Locked && !d.rel.self && !d.rel.follows && len(list) == 0
	pg := page{Heading: d.DisplayName, Data: d, Tiles: v.cards(list), Older: older}
	if d.Mine {
		pg.Nav = "me"
	}
	return v.show("profile.html", pg)
}

// albumList shows somebody's albums.
func (wb *web) albumList(v *visit) error {
	u, err := v.who()
	if err != nil {
		return err
	}
	d, err := v.person(u)
	if err != nil {
		return err
	}
	pg, err := v.page(webGrid)
	if err != nil {
		return err
	}
	list, err := v.p.store.Albums(v.r.Context(), u.ID, pg)
	if err != nil {
		return err
	}
	older := ""
	if len(list) > 0 {
		older = v.older(len(list), pg, list[len(list)-1].ID)
	}
	if d.Albums, err = v.renderer().albums(u, list); err != nil {
		return err
	}
	d.Tab = "albums"
	return v.show("profile.html", page{Heading: d.DisplayName, Data: d, Older: older})
}

func (wb *web) followers(v *visit) error { return v.follows("Followers", store.Followers) }
func (wb *web) following(v *visit) error { return v.follows("Following", store.Followed) }

func (v *visit) follows(heading string, which store.People) error {
	u, err := v.who()
	if err != nil {
		return err
	}
	prof, err := v.p.store.Profile(v.r.Context(), u.ID)
	if err != nil {
		return err
	}
	rel := v.viewer.knows(u)
	if !rel.self && (rel.blocked || prof.PrivateLists) {
		return v.show("people.html", page{Heading: heading})
	}
	return v.listOf(heading, which, u.ID)
}

// listOf shows a list of people.
func (v *visit) listOf(heading string, which store.People, owner int64) error {
	pg, err := v.page(webPeople)
	if err != nil {
		return err
	}
	list, err := v.p.store.People(v.r.Context(), which, owner, pg)
	if err != nil {
		return err
	}
	var ids []int64
	older := ""
	for _, e := range list {
		ids, older = append(ids, e.User), v.older(len(list), pg, e.ID)
	}
	rows, err := v.rows(ids)
	if err != nil {
		return err
	}
	return v.show("people.html", page{Heading: heading, People: rows, Older: older})
}

// peoplePage is who is kept away, and who asks to come nearer.
type peoplePage struct {
	Requests, Muted, Blocked []personRow
}

// peopleSettings shows requests, and whom one has muted and blocked.
func (wb *web) peopleSettings(v *visit) (err error) {
	var d peoplePage
	read := func(which store.People) []personRow {
		var list []store.Entry
		if err == nil {
			list, err = v.p.store.People(v.r.Context(), which, v.viewer.user.ID, store.Page{Limit: 200})
		}
		if err != nil {
			return nil
		}
		ids := make([]int64, len(list))
		for i, e := range list {
			ids[i] = e.User
		}
		var rows []personRow
		rows, err = v.rowsOf(ids, everyone)
		return rows
	}
	d.Requests, d.Muted = read(store.Requests), read(store.Muted)
	if err != nil {
		return err
	}
	blocks, err := v.p.people.Blocks(v.r.Context(), v.viewer.user.ID, 0, 200)
	if err != nil {
		return err
	}
	ids := make([]int64, len(blocks))
	for i, b := range blocks {
		ids[i] = b.OtherID
	}
	if d.Blocked, err = v.rowsOf(ids, everyone); err != nil {
		return err
	}
	return v.show("keepaway.html", page{Heading: "People", Nav: "settings", Data: d})
}

// A noticeRow is one notification.
type noticeRow struct {
	Kind   store.NoticeKind
	Person personRow
	Status *entity.Status
	At     entity.Time
	New    bool
}

// noticePage is the notifications with what marks them as read.
type noticePage struct {
	Rows     []noticeRow
	Requests int64
	Last     int64
}

const webNotices = 40

// notifications lists what happened. That they were seen is noted by the form on
// the page, which the script sends.
func (wb *web) notifications(v *visit) error {
	pg, err := v.page(webNotices)
	if err != nil {
		return err
	}
	ctx, me := v.r.Context(), v.viewer.user.ID
	list, err := v.p.store.Notices(ctx, store.NoticeFeed{User: me, Exclude: v.viewer.blocks.All(), Page: pg})
	if err != nil {
		return err
	}
	unread, err := v.unread(ctx)
	if err != nil {
		return err
	}
	var d noticePage
	older := ""
	for i, n := range list {
		older = v.older(len(list), pg, n.ID)
		d.Last = max(d.Last, n.ID)
		row, ok, err := v.notice(n)
		if err != nil {
			return err
		}
		if row.New = pg.Max == 0 && int64(i) < unread; ok {
			d.Rows = append(d.Rows, row)
		}
	}
	prof, err := v.p.store.Profile(ctx, me)
	if err != nil {
		return err
	}
	d.Requests = prof.Requests
	return v.show("notifications.html", page{Heading: "Notifications", Nav: "notifications", Data: d, Older: older})
}

// notice renders one; not ok: who did it is gone, or the post is.
func (v *visit) notice(n store.Notice) (row noticeRow, ok bool, err error) {
	rows, err := v.rows([]int64{n.Actor})
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	row = noticeRow{Kind: n.Kind, Person: rows[0], At: entity.Time(sqlstore.TimeOf(n.ID))}
	if n.Status == 0 {
		return row, true, nil
	}
	list, err := v.p.store.Statuses(v.r.Context(), []int64{n.Status})
	if err != nil {
		return row, false, err
	}
	shown, err := v.renderer().statuses(list)
	if err != nil || len(shown) == 0 {
		return row, false, err
	}
	row.Status = &shown[0]
	return row, true, nil
}

// devicePage is where one is signed in.
type devicePage struct {
	Sessions []account.Session
	Current  string
	Now      time.Time
}

func (wb *web) devices(v *visit) error {
	list, err := v.p.people.Sessions(v.r.Context(), v.viewer.user.ID, v.p.label)
	if err != nil {
		return err
	}
	return v.show("devices.html", page{Heading: "Devices", Nav: "settings", Data: devicePage{Sessions: list, Current: v.viewer.session.ID, Now: time.Now()}})
}
