package photos

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// renderer makes entities for one viewer. It keeps the accounts that it made:
// a page of posts has the same few authors again and again.
type renderer struct {
	p        *Photos
	ctx      context.Context
	base     string
	viewer   viewer
	accounts map[int64]rendered
}

type rendered struct {
	account entity.Account
	rel     relation
	err     error
}

func (c *call) renderer(p *Photos) *renderer {
	return p.renderer(c.r, c.base, c.viewer)
}

func (p *Photos) renderer(r *http.Request, base string, v viewer) *renderer {
	return &renderer{p: p, ctx: r.Context(), base: base, viewer: v, accounts: map[int64]rendered{}}
}

// author returns the account with an id and what the viewer is to it.
func (r *renderer) author(id int64) (entity.Account, relation, error) {
	got, ok := r.accounts[id]
	if !ok {
		got = r.readAuthor(id)
		r.accounts[id] = got
	}
	return got.account, got.rel, got.err
}

func (r *renderer) readAuthor(id int64) rendered {
	u, err := r.p.people.User(r.ctx, id)
	if err != nil {
		return rendered{rel: relation{gone: true}, err: err}
	}
	a, err := r.account(u)
	if err != nil {
		return rendered{rel: relation{gone: true}, err: err}
	}
	rel, err := r.p.relation(r.ctx, r.viewer, u)
	return rendered{account: a, rel: rel, err: err}
}

// status renders a post, or ErrNotFound where the viewer may not see it.
func (r *renderer) status(s store.Status) (entity.Status, error) {
	author, rel, err := r.author(s.Author)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return entity.Status{}, err
	}
	if !maySee(s.Visibility, rel) {
		return entity.Status{}, store.ErrNotFound
	}
	url := author.URL + "/" + strconv.FormatInt(s.ID, 10)
	out := entity.Status{
		ID: entity.ID(s.ID), URI: url, URL: url, CreatedAt: entity.Time(sqlstore.TimeOf(s.ID)), Account: author,
		Content: toHTML(s.Text), SpoilerText: s.Spoiler, Visibility: s.Visibility.String(), Sensitive: s.Sensitive,
		Media: make([]entity.Media, 0, len(s.Media)),
	}
	if s.Language != "" {
		out.Language = &s.Language
	}
	if s.App != "" {
		out.Application = &entity.Application{Name: s.App}
	}
	for _, m := range s.Media {
		out.Media = append(out.Media, r.media(m))
	}
	return out, nil
}

// statuses renders those that the viewer may see.
func (r *renderer) statuses(list []store.Status) ([]entity.Status, error) {
	out := make([]entity.Status, 0, len(list))
	for _, s := range list {
		e, err := r.status(s)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

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
	if forEverybody(m.Visibility) {
		return r.base + path
	}
	return r.base + path + "?" + r.p.signer.sign(path, r.viewer)
}
