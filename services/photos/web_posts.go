package photos

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

// noParams are those of a request that says nothing.
var noParams params.Values

const (
	webFeed     = 12 // posts in full of a page
	webGrid     = 30 // posts of a grid: whole rows of three
	webPeople   = 40
	webComments = 200
)

// A card is a post with what the templates need around it.
type card struct {
	entity.Status
	Me       *entity.Account // who looks; nil: nobody who signed in
	Path     string          // of the page
	Mine     bool
	First    bool // at the top: its picture is not loaded lazily
	Full     bool // on its own page
	Operator bool
	Depth    int // of a comment
}

// cards adds to posts what the templates need.
func (v *visit) cards(list []entity.Status) []card {
	var me *entity.Account
	if v.viewer.signedIn() {
		me = &entity.Account{ID: entity.ID(v.viewer.user.ID), Username: v.viewer.user.Username}
	}
	out := make([]card, len(list))
	for i, s := range list {
		out[i] = card{
			Status: s, Me: me, Path: v.r.URL.RequestURI(), First: i < 1,
			Mine: me != nil && s.Account.ID == me.ID, Operator: v.viewer.user.Role == account.RoleAdmin,
		}
	}
	return out
}

// page reads which part of a list somebody wants to see.
func (v *visit) page(limit int) (p store.Page, err error) {
	p.Limit = limit
	if s := v.r.URL.Query().Get("max_id"); s != "" {
		if p.Max, err = strconv.ParseInt(s, 10, 64); err != nil || p.Max < 0 {
			return p, errNoPage
		}
	}
	return p, nil
}

// older is the address of the next page, after the entry with the id last.
func (v *visit) older(n int, p store.Page, last int64) string {
	if n < p.Limit {
		return ""
	}
	q := v.r.URL.Query()
	q.Set("max_id", strconv.FormatInt(last, 10))
	return (&url.URL{Path: v.r.URL.Path, RawQuery: q.Encode()}).String()
}

// read reads a page of posts.
func (v *visit) read(f store.Feed, limit int) (out []entity.Status, older string, err error) {
	if f.Page, err = v.page(limit); err != nil {
		return nil, "", err
	}
	f.Viewer = v.viewer.user.ID
	list, err := v.p.store.Feed(v.r.Context(), f)
	if err != nil {
		return nil, "", err
	}
	if len(list) > 0 {
		older = v.older(len(list), f.Page, list[len(list)-1].ID)
	}
	out, err = v.renderer().statuses(list)
	// What a filter hides is not shown; what it warns of has its warning.
	return slices.DeleteFunc(out, hides), older, err
}

func hides(s entity.Status) bool {
	return slices.ContainsFunc(s.Filtered, func(f entity.FilterResult) bool { return f.Filter.Action == "hide" })
}

// home is what one follows; for others, what there is.
func (wb *web) home(v *visit) error {
	if !v.viewer.signedIn() {
		return wb.explore(v)
	}
	pg := page{Nav: "home"}
	list, older, err := v.read(store.Feed{Home: v.viewer.user.ID, Exclude: v.call().excluded()}, webFeed)
	if err != nil {
		return err
	}
	pg.Cards, pg.Older, pg.Welcome = v.cards(list), older, len(list) == 0
	if v.r.URL.Query().Get("max_id") == "" {
		if pg.Tray, err = v.p.tray(v.r.Context(), v.renderer()); err != nil {
			return err
		}
		if pg.People, err = v.suggestions(); err != nil {
			return err
		}
	}
	return v.show("home.html", pg)
}

const webSuggestions = 5

func (v *visit) suggestions() ([]personRow, error) {
	ids, err := v.p.store.Suggest(v.r.Context(), v.viewer.user.ID, 2*webSuggestions)
	if err != nil {
		return nil, err
	}
	rows, err := v.rows(ids)
	return rows[:min(len(rows), webSuggestions)], err
}

// explore is a grid of all public pictures.
func (wb *web) explore(v *visit) error {
	f := store.Feed{Visibilities: []store.Visibility{store.Public}, NoReplies: true, OnlyMedia: !v.cfg.TextPosts, Exclude: v.call().excluded()}
	list, older, err := v.read(f, webGrid)
	if err != nil {
		return err
	}
	return v.show("explore.html", page{Heading: "Explore", Nav: "explore", Tiles: v.cards(list), Older: older})
}

// tag is a grid of what has a hashtag.
func (wb *web) tag(v *visit) error {
	name := normalTag(v.r.PathValue("id"))
	f := store.Feed{Tags: &store.TagQuery{Any: []string{name}}, OnlyMedia: !v.cfg.TextPosts, Exclude: v.call().excluded()}
	list, older, err := v.read(f, webGrid)
	if err != nil {
		return err
	}
	tags, err := v.p.store.Tags(v.r.Context(), v.viewer.user.ID, []string{name})
	if err != nil {
		return err
	}
	pg := page{Heading: "#" + name, Nav: "explore", Tiles: v.cards(list), Older: older}
	if len(tags) > 0 && v.viewer.signedIn() {
		pg.Data = tags[0]
	}
	return v.show("explore.html", pg)
}

// who is the person that a path like /@ann names.
func (v *visit) who() (account.User, error) {
	name, found := strings.CutPrefix(v.r.PathValue("who"), "@")
	if !found {
		return account.User{}, errNoPage
	}
	u, err := v.p.people.UserByName(v.r.Context(), name)
	if errors.Is(err, account.ErrNotFound) || err == nil && v.viewer.knows(u).gone {
		return u, errNoPage
	}
	return u, err
}

// status is the post that a path like /@ann/1 names.
func (v *visit) status() (store.Status, entity.Status, error) {
	u, err := v.who()
	if err != nil {
		return store.Status{}, entity.Status{}, err
	}
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Status{}, entity.Status{}, errNoPage
	}
	s, err := v.p.store.Status(v.r.Context(), id)
	if err == nil && s.Author != u.ID {
		err = store.ErrNotFound
	}
	var e entity.Status
	if err == nil {
		e, err = v.renderer().status(s)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = errNoPage
	}
	return s, e, err
}

// postPage is what the page of a post has beside it.
type postPage struct {
	Card     card
	Comments []card
	Above    []card // what it answers
}

func (wb *web) post(v *visit) error {
	s, e, err := v.status()
	if err != nil {
		return err
	}
	above, below, err := v.p.store.Thread(v.r.Context(), s.ID, store.Bounds{Ancestors: 20, Descendants: webComments, Depth: 8})
	if err != nil {
		return err
	}
	r := v.renderer()
	up, err := r.statuses(above)
	if err != nil {
		return err
	}
	down, err := r.statuses(below)
	if err != nil {
		return err
	}
	d := postPage{Card: v.cards([]entity.Status{e})[0], Above: v.cards(up), Comments: v.cards(slices.DeleteFunc(down, hides))}
	d.Card.Full = true
	for i := range d.Comments {
		if int64(d.Comments[i].InReplyToID) != s.ID {
			d.Comments[i].Depth = 1
		}
	}
	pg := page{Heading: e.Account.DisplayName, Data: d}
	if len(e.Media) > 0 && !s.Sensitive && forEverybody(s.Visibility) {
		pg.Preview = baseOf(v.cfg.PublicURL, v.r) + *e.Media[0].PreviewURL
	}
	return v.show("post.html", pg)
}

// likedBy lists who likes a post.
func (wb *web) likedBy(v *visit) error {
	s, _, err := v.status()
	if err != nil {
		return err
	}
	pg, err := v.page(webPeople)
	if err != nil {
		return err
	}
	marks, err := v.p.store.MarkedBy(v.r.Context(), store.Favourite, s.ID, pg)
	if err != nil {
		return err
	}
	var ids []int64
	older := ""
	for _, m := range marks {
		ids, older = append(ids, m.User), v.older(len(marks), pg, m.ID)
	}
	rows, err := v.rows(ids)
	if err != nil {
		return err
	}
	return v.show("people.html", page{Heading: "Likes", People: rows, Older: older})
}

// likes are the posts that one likes.
func (wb *web) likes(v *visit) error { return v.marked("Likes", store.Favourite) }

// bookmarks are the posts that one keeps.
func (wb *web) bookmarks(v *visit) error { return v.marked("Saved", store.Bookmark) }

func (v *visit) marked(heading string, kind store.MarkKind) error {
	pg, err := v.page(webGrid)
	if err != nil {
		return err
	}
	marks, err := v.p.store.Marked(v.r.Context(), kind, v.viewer.user.ID, pg)
	if err != nil {
		return err
	}
	list := make([]store.Status, len(marks))
	older := ""
	for i, m := range marks {
		list[i], older = m.Status, v.older(len(marks), pg, m.ID)
	}
	out, err := v.renderer().statuses(list)
	if err != nil {
		return err
	}
	return v.show("explore.html", page{Heading: heading, Nav: "me", Tiles: v.cards(out), Older: older})
}

// album shows the posts of an album.
func (wb *web) album(v *visit) error {
	u, err := v.who()
	if err != nil {
		return err
	}
	a, err := v.p.albumOf(v.call())
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errNotFound) || err == nil && a.Owner != u.ID {
		return errNoPage
	}
	if err != nil {
		return err
	}
	r := v.renderer()
	posts, err := r.albumPosts(a)
	if err != nil {
		return err
	}
	e, err := r.album(a)
	if err != nil {
		return err
	}
	return v.show("album.html", page{Heading: a.Title, Tiles: v.cards(posts), Data: e})
}

// export sends one's archive.
func (wb *web) export(v *visit) error {
	if v.r.Method == http.MethodHead {
		return nil
	}
	_, err := v.p.export(v.call())
	return err
}
