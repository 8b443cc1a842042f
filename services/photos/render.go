package photos

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// renderer makes entities for one viewer. It keeps what it read of people: a page
// of posts has the same few authors again and again.
type renderer struct {
	p       *Photos
	ctx     context.Context
	base    string
	viewer  viewer
	known   map[int64]person
	filters *matcher // nil: not read yet
}

// A person is what posts show of somebody.
type person struct {
	account entity.Account
	rel     relation // what the viewer is to them
}

func (c *call) renderer(p *Photos) *renderer {
	return p.renderer(c.r, c.base, c.viewer)
}

func (p *Photos) renderer(r *http.Request, base string, v viewer) *renderer {
	return p.rendererOf(r.Context(), base, v)
}

func (p *Photos) rendererOf(ctx context.Context, base string, v viewer) *renderer {
	return &renderer{p: p, ctx: ctx, base: base, viewer: v, known: map[int64]person{}}
}

// learn reads about all people at once who are not known yet.
func (r *renderer) learn(ids []int64) error {
	var unknown []int64
	for _, id := range ids {
		if _, ok := r.known[id]; !ok && !slices.Contains(unknown, id) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	users, err := r.p.people.Users(r.ctx, unknown)
	if err != nil {
		return err
	}
	profiles, err := r.p.store.Profiles(r.ctx, unknown)
	if err != nil {
		return err
	}
	follows := map[int64]bool{}
	if r.viewer.signedIn() {
		list, err := r.p.store.Relations(r.ctx, r.viewer.user.ID, unknown)
		if err != nil {
			return err
		}
		for _, rel := range list {
			follows[rel.Target] = rel.Follow.State == store.Following
		}
	}
	for _, id := range unknown {
		u, ok := users[id]
		if !ok || u.Deleted {
			r.known[id] = person{rel: relation{gone: true}}
			continue
		}
		rel := r.viewer.knows(u)
		rel.follows = follows[id]
		r.known[id] = person{account: r.accountWith(u, profiles[id]), rel: rel}
	}
	return nil
}

// status renders a post, or ErrNotFound where the viewer may not see it.
func (r *renderer) status(s store.Status) (entity.Status, error) {
	list, err := r.statuses([]store.Status{s})
	if err != nil {
		return entity.Status{}, err
	}
	if len(list) == 0 {
		return entity.Status{}, store.ErrNotFound
	}
	return list[0], nil
}

// statuses renders those that the viewer may see. What it reads it reads at
// once, however many they are.
func (r *renderer) statuses(list []store.Status) ([]entity.Status, error) {
	out := make([]entity.Status, 0, len(list))
	if len(list) == 0 {
		return out, nil
	}
	var ids []int64
	for _, s := range list {
		ids = append(append(ids, s.Author), s.Mentions...)
	}
	if err := r.learn(ids); err != nil {
		return nil, err
	}
	var marks map[int64]store.Marks
	if r.viewer.signedIn() {
		var err error
		if marks, err = r.p.store.MarksOf(r.ctx, r.viewer.user.ID, list); err != nil {
			return nil, err
		}
		if r.filters == nil {
			own, err := r.p.store.Filters(r.ctx, r.viewer.user.ID)
			if err != nil {
				return nil, err
			}
			m := newMatcher(own, time.Now())
			r.filters = &m
		}
	}
	for _, s := range list {
		if r.sees(s) {
			out = append(out, r.seenStatus(s, marks[s.ID]))
		}
	}
	return out, nil
}

// sees tells whether the viewer may see a post whose author is known.
func (r *renderer) sees(s store.Status) bool {
	rel := r.known[s.Author].rel
	rel.mentioned = r.viewer.signedIn() && slices.Contains(s.Mentions, r.viewer.user.ID)
	return maySee(s.Visibility, rel)
}

// seenStatus renders a post that the viewer may see.
func (r *renderer) seenStatus(s store.Status, m store.Marks) entity.Status {
	author := r.known[s.Author].account
	url := author.URL + "/" + strconv.FormatInt(s.ID, 10)
	out := entity.Status{
		ID: entity.ID(s.ID), URI: url, URL: url, CreatedAt: entity.Time(sqlstore.TimeOf(s.ID)), EditedAt: entity.Time(s.EditedAt),
		Account: author, Content: r.content(s.Text, s.Mentions), SpoilerText: s.Spoiler, Visibility: s.Visibility.String(), Sensitive: s.Sensitive,
		Media: make([]entity.Media, 0, len(s.Media)), Mentions: []entity.Mention{}, Tags: make([]entity.StatusTag, 0, len(s.Tags)),
		RepliesCount: s.Replies, FavouritesCount: s.Favourites,
		InReplyToID: entity.OptionalID(s.Parent), InReplyToAccountID: entity.OptionalID(s.ParentAuthor),
		Favourited: m.Favourited, Bookmarked: m.Bookmarked, Pinned: m.Pinned, Muted: m.Muted,
		Filtered: []entity.FilterResult{},
	}
	if r.filters != nil {
		out.Filtered = r.filters.match(s)
	}
	if s.Language != "" {
		out.Language = &s.Language
	}
	if s.App != "" {
		out.Application = &entity.Application{Name: s.App}
	}
	for _, media := range s.Media {
		out.Media = append(out.Media, r.media(media))
	}
	for _, id := range s.Mentions {
		if p := r.known[id]; !p.rel.gone {
			out.Mentions = append(out.Mentions, entity.Mention{ID: p.account.ID, Username: p.account.Username, URL: p.account.URL, Acct: p.account.Acct})
		}
	}
	for _, name := range s.Tags {
		out.Tags = append(out.Tags, entity.StatusTag{Name: name, URL: tagURL(r.base, name)})
	}
	return out
}

// content makes HTML of what somebody wrote who mentions people who are known.
func (r *renderer) content(text string, mentions []int64) string {
	m := markup{base: r.base, tags: true, people: make(map[string]string, 2*len(mentions))}
	for _, id := range mentions {
		if p := r.known[id]; !p.rel.gone {
			m.people[p.account.Username] = p.account.URL
			m.people[p.account.Username+"@"+strings.ToLower(hostOf(r.base))] = p.account.URL
		}
	}
	return m.html(text)
}

// tagURL is the page of a tag by its normal name.
func tagURL(base, name string) string { return base + "/tags/" + url.PathEscape(name) }

// previewWidth is the step of the ladder that previews have.
const previewWidth = 640

// media renders a picture that the viewer may see. As long as it has no sizes it
// has no URL either: apps take that for "still being processed".
func (r *renderer) media(m store.Media) entity.Media {
	out := entity.Media{
		ID: entity.ID(m.ID), Type: "image", Sizes: make([]entity.MediaSize, 0, len(m.Sizes)),
		Meta: entity.MediaMeta{
			Original: entity.DimensionsOf(m.Original.Width, m.Original.Height),
			Focus:    entity.Focus{X: m.FocusX, Y: m.FocusY},
		},
		Progress: entity.Progress{Made: len(m.Sizes), Of: ladderLength(m)},
	}
	if len(m.Sizes) > 0 || m.Complete {
		out.URL = new(r.mediaURL(m, originalName(m)))
	}
	if m.Complete {
		out.Progress.Of = len(m.Sizes)
	}
	for _, f := range m.Sizes {
		size := entity.MediaSize{Width: f.Width, Height: f.Height, URL: r.mediaURL(m, sizeName(f))}
		out.Sizes = append(out.Sizes, size)
		if out.PreviewURL == nil || f.Width <= previewWidth {
			out.PreviewURL = &size.URL
			out.Meta.Small = entity.DimensionsOf(f.Width, f.Height)
		}
	}
	if m.Description != "" {
		out.Description = &m.Description
	}
	if m.Blurhash != "" {
		out.Blurhash = &m.Blurhash
	}
	return out
}

// mediaURL is where the bytes are: plain where they are for everybody, signed
// for the viewer's session where they are not.
func (r *renderer) mediaURL(m store.Media, name string) string {
	path := mediaPath(m.ID, name)
	if plainURL(m) {
		return r.base + path
	}
	return r.base + path + "?" + r.p.signer.sign(path, r.viewer)
}
