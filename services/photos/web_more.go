package photos

import (
	"errors"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// searchPage is what was found.
type searchPage struct {
	Query string
	Tags  []store.Tag
}

const (
	webFound   = 20
	webTags    = 10
	webQuery   = 200 // characters
	searchRows = 12
)

// search finds people, tags and posts.
func (wb *web) search(v *visit) error {
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	d := searchPage{Query: q}
	pg := page{Heading: "Search", Nav: "search"}
	if q == "" || tooLong(q, webQuery) {
		pg.Data = d
		return v.show("search.html", pg)
	}
	ctx := v.r.Context()
	found, err := v.p.people.SearchUsers(ctx, strings.TrimPrefix(q, "@"), searchRows)
	if err != nil {
		return err
	}
	ids := make([]int64, len(found))
	for i, u := range found {
		ids[i] = u.ID
	}
	if pg.People, err = v.rows(ids); err != nil {
		return err
	}
	if d.Tags, err = v.p.store.SearchTags(ctx, v.viewer.user.ID, strings.ToLower(strings.TrimPrefix(q, "#")), webTags, 0); err != nil {
		return err
	}
	if !strings.HasPrefix(q, "@") {
		list, err := v.p.store.SearchStatuses(ctx, store.StatusSearch{Viewer: v.viewer.user.ID, Words: q, Exclude: v.call().excluded(), Limit: webFound})
		if err != nil {
			return err
		}
		out, err := v.renderer().statuses(list)
		if err != nil {
			return err
		}
		pg.Tiles = v.cards(out)
	}
	pg.Data = d
	return v.show("search.html", pg)
}

// storyPage is one story of somebody, in the order of theirs.
type storyPage struct {
	Story      entity.Story
	Marks      []bool // a line for each: shown before this one, or now
	Prev, Next string
	Close      string
	Mine       bool
}

// story shows the stories of a person one after the other, by ?n=.
func (wb *web) story(v *visit) error {
	if !v.viewer.signedIn() {
		return v.redirect("/login")
	}
	u, err := v.p.people.UserByName(v.r.Context(), strings.TrimPrefix(v.r.PathValue("id"), "@"))
	if errors.Is(err, account.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	groups, err := v.p.groups(v.r.Context(), v.renderer(), []int64{u.ID})
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return fail(404, "There is no story of @%s any more.", u.Username)
	}
	list := groups[0].Stories
	n, err := strconv.Atoi(v.r.URL.Query().Get("n"))
	if err != nil || n < 0 || n >= len(list) {
		n = firstUnseen(list)
	}
	d := storyPage{Story: list[n], Close: "/", Mine: u.ID == v.viewer.user.ID}
	for i := range list {
		d.Marks = append(d.Marks, i <= n)
	}
	path := "/stories/" + u.Username + "?n="
	if n > 0 {
		d.Prev = path + strconv.Itoa(n-1)
	}
	if n+1 < len(list) {
		d.Next = path + strconv.Itoa(n+1)
	} else if d.Next, err = v.nextStory(u.ID); err != nil {
		return err
	}
	return v.show("story.html", page{Heading: "Story of " + list[n].Account.DisplayName, Data: d})
}

func firstUnseen(list []entity.Story) int {
	for i, s := range list {
		if !s.Seen {
			return i
		}
	}
	return 0
}

// nextStory is where the tray goes on after a person; home at its end.
func (v *visit) nextStory(user int64) (string, error) {
	tray, err := v.p.tray(v.r.Context(), v.renderer())
	if err != nil {
		return "", err
	}
	for _, g := range tray {
		if !g.Seen && int64(g.Account.ID) != user && int64(g.Account.ID) != v.viewer.user.ID {
			return "/stories/" + g.Account.Username, nil
		}
	}
	return "/", nil
}

// operatePage is what operators see.
type operatePage struct {
	Storage  entity.Storage
	Used     int // per cent of the disk
	Bytes    int64
	Reports  []entity.AdminReport
	Resolved bool
	Totals   store.Totals
	Writable bool
}

// operate is the operator's page: reports, and how full the disk is.
func (wb *web) operate(v *visit) error {
	if v.viewer.user.Role != account.RoleAdmin {
		return errNoPage
	}
	pg, err := v.page(defaultPage)
	if err != nil {
		return err
	}
	d := operatePage{Resolved: v.r.URL.Query().Get("resolved") != ""}
	if d.Storage, err = v.p.storageNow(v.r.Context()); err != nil {
		return err
	}
	s := d.Storage
	d.Bytes = s.OriginalBytes + s.SizeBytes + s.VariantBytes + s.UploadBytes
	if s.DiskTotal != nil && *s.DiskTotal > 0 {
		d.Used = int(100 - 100**s.DiskFree / *s.DiskTotal)
	}
	if d.Totals, err = v.p.store.Totals(v.r.Context()); err != nil {
		return err
	}
	list, reports, err := v.p.reportQueue(v.r.Context(), v.renderer(), d.Resolved, pg)
	if err != nil {
		return err
	}
	d.Reports = reports
	older := ""
	if len(list) > 0 {
		older = v.older(len(list), pg, list[len(list)-1].ID)
	}
	return v.show("operate.html", page{Heading: "Operator", Nav: "operate", Data: d, Older: older})
}

// reportPage asks what is wrong with a person or a post.
type reportPage struct {
	Person personRow
	Post   string // id; empty: none
}

func (wb *web) reportForm(v *visit) error {
	id, err := strconv.ParseInt(v.r.URL.Query().Get("account"), 10, 64)
	if err != nil {
		return errNoPage
	}
	rows, err := v.rowsOf([]int64{id}, everyone)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNoPage
	}
	d := reportPage{Person: rows[0]}
	if post, err := strconv.ParseInt(v.r.URL.Query().Get("post"), 10, 64); err == nil {
		d.Post = strconv.FormatInt(post, 10)
	}
	return v.show("report.html", page{Heading: "Report", Data: d})
}

// settingsPage is one's own account as one wrote it.
type settingsPage struct {
	Account entity.Account
	Used    int64
	Quota   int64
	Saved   bool
}

func (wb *web) settings(v *visit) error { return v.showSettings(nil) }

func (v *visit) showSettings(problem error) error {
	a, err := v.renderer().credentials(v.viewer.user)
	if err != nil {
		return err
	}
	prof, err := v.p.store.Profile(v.r.Context(), v.viewer.user.ID)
	if err != nil {
		return err
	}
	pg := page{Heading: "Settings", Nav: "settings", Data: settingsPage{
		Account: a, Used: prof.Bytes, Quota: int64(v.cfg.Quota), Saved: v.r.URL.Query().Has("saved"),
	}}
	if problem != nil {
		v.showProblem("settings.html", pg, problem)
		return nil
	}
	return v.show("settings.html", pg)
}

// albumSettings shows what one's own albums are made of.
type albumSettingsPage struct {
	Albums []entity.Album
	Edit   *entity.Album
}

func (wb *web) albumSettings(v *visit) error {
	list, err := v.p.store.Albums(v.r.Context(), v.viewer.user.ID, store.Page{Limit: webGrid})
	if err != nil {
		return err
	}
	var d albumSettingsPage
	if d.Albums, err = v.renderer().albums(v.viewer.user, list); err != nil {
		return err
	}
	if id, err := strconv.ParseInt(v.r.URL.Query().Get("id"), 10, 64); err == nil {
		for i, a := range d.Albums {
			if int64(a.ID) == id {
				d.Edit = &d.Albums[i]
			}
		}
	}
	posts, older, err := v.read(store.Feed{Authors: []int64{v.viewer.user.ID}, Visibilities: store.Visibilities[:], NoReplies: true, OnlyMedia: true}, 60)
	if err != nil {
		return err
	}
	return v.show("albums.html", page{Heading: "Albums", Nav: "settings", Data: d, Tiles: v.cards(posts), Older: older})
}
