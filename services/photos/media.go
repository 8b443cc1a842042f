package photos

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// ladder are the widths that every picture gets, as far as it has them. The
// first firstSizes exist when an upload is answered.
var ladder = []int{320, 640, 1080, 2048}

const firstSizes = 2

// createMedia is POST /api/v2/media: it answers when the original is durable and
// the first sizes exist, or with 202 where these take too long.
func (p *Photos) createMedia(c *call) (any, error) {
	m, err := p.uploaded(c, false)
	if err != nil {
		return nil, err
	}
	return c.mediaAnswer(p, m, http.StatusAccepted), nil
}

// createMediaV1 is POST /api/v1/media, which answers when the first sizes exist.
func (p *Photos) createMediaV1(c *call) (any, error) {
	m, err := p.uploaded(c, true)
	if err != nil {
		return nil, err
	}
	return c.mediaAnswer(p, m, http.StatusOK), nil
}

// uploaded makes a picture of the file of the request.
func (p *Photos) uploaded(c *call, patient bool) (store.Media, error) {
	if c.upload == nil {
		return store.Media{}, invalid("file is missing; send it as multipart/form-data")
	}
	edit, err := c.edit()
	if err != nil {
		return store.Media{}, err
	}
	return p.addPicture(c.r.Context(), c.cfg, newPicture{owner: c.viewer.user.ID, source: c.upload, edit: edit, patient: patient})
}

// mediaAnswer is a picture with what status says of one that cannot be shown yet.
func (c *call) mediaAnswer(p *Photos, m store.Media, pending int) any {
	e := c.renderer(p).media(m)
	if e.URL == nil {
		return answer{pending, e}
	}
	return e
}

// edit reads description and focus.
func (c *call) edit() (store.Edit, error) {
	var description *string
	if c.params.Has("description") {
		description = new(c.params.String("description"))
	}
	return editOf(c.cfg, description, c.params.String("focus"))
}

// editOf checks a description and a focus; nil and empty are none.
func editOf(cfg *Config, description *string, focus string) (e store.Edit, err error) {
	if description != nil {
		e.Description = new(strings.TrimSpace(*description))
		if tooLong(*e.Description, cfg.Limits.Description) {
			return e, invalid("description is longer than %d characters", cfg.Limits.Description)
		}
	}
	if focus != "" {
		xs, ys, _ := strings.Cut(focus, ",")
		x, errX := strconv.ParseFloat(strings.TrimSpace(xs), 64)
		y, errY := strconv.ParseFloat(strings.TrimSpace(ys), 64)
		if errX != nil || errY != nil || !(x >= -1 && x <= 1 && y >= -1 && y <= 1) {
			return e, invalid("focus is not two numbers from -1 to 1 with a comma")
		}
		e.FocusX, e.FocusY = &x, &y
	}
	return e, nil
}

// newPicture is an upload about to become a picture.
type newPicture struct {
	owner   int64
	source  *spool
	edit    store.Edit
	upload  int64 // that can be resumed, which it came by; 0: none
	patient bool  // somebody waits until the first sizes are there
}

// addPicture makes the first sizes of an upload and stores them with the
// original, bytes first: a row never names bytes that are not durable. Where too
// much else is going on and nobody insists, the sizes become a job.
func (p *Photos) addPicture(ctx context.Context, cfg *Config, n newPicture) (m store.Media, err error) {
	defer func() { p.metrics.upload(err) }()
	src := n.source.source()
	info, err := p.pictures.Inspect(src, picture.Limits{Pixels: matrixLimit})
	if err != nil {
		return m, pictureError(err)
	}
	steps := picture.LadderSpecs(info, ladder...)
	first := steps[:min(firstSizes, len(steps))]
	made, err := p.makeFirst(ctx, src, first, n.patient)
	if err != nil {
		return m, pictureError(err)
	}
	made.Info = info
	m = store.Media{Owner: n.owner, Blurhash: made.Blurhash, Upload: n.upload}
	m.Complete = len(made.Variants) == len(steps)
	if n.edit.Description != nil {
		m.Description = *n.edit.Description
	}
	if n.edit.FocusX != nil {
		m.FocusX, m.FocusY = *n.edit.FocusX, *n.edit.FocusY
	}
	m, err = p.storePicture(ctx, m, src, made, int64(cfg.Quota))
	if err == nil {
		p.wakeJobs()
	}
	return m, err
}

// answerWithin is how long an upload waits for its first sizes, where it may be
// answered without them.
const answerWithin = 8 * time.Second

// makeFirst makes the first sizes, or nothing where they would take too long and
// the caller is not patient.
func (p *Photos) makeFirst(ctx context.Context, src picture.Source, specs []picture.Spec, patient bool) (picture.Result, error) {
	limit := ctx
	if !patient {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, answerWithin)
		defer cancel()
	}
	made, err := p.pictures.Make(limit, src, picture.Job{Specs: specs, Blurhash: true, Limits: picture.Limits{Pixels: matrixLimit}})
	late := errors.Is(err, picture.ErrBusy) || err != nil && limit.Err() != nil && ctx.Err() == nil
	if late && !patient {
		return picture.Result{}, nil
	}
	return made, err
}

// pictureError says what is wrong with a picture, where that is for people.
func pictureError(err error) error {
	for _, known := range []error{picture.ErrFormat, picture.ErrBroken, picture.ErrTooLarge, picture.ErrSlow} {
		if errors.Is(err, known) {
			return invalid("%s", err)
		}
	}
	return err
}

// storePicture stores the bytes and then the row. Where the row was refused the
// bytes go again; where it is not known what became of it they are left to the
// sweep.
func (p *Photos) storePicture(ctx context.Context, m store.Media, src picture.Source, made picture.Result, quota int64) (store.Media, error) {
	p.keep.RLock()
	err := func() (err error) {
		if m.Original, err = p.putOriginal(ctx, src, made.Info); err != nil {
			return err
		}
		if m.Sizes, err = p.putSizes(ctx, made.Variants); err != nil {
			return err
		}
		m, err = p.store.AddMedia(ctx, m, quota)
		return err
	}()
	p.keep.RUnlock()
	if errors.Is(err, store.ErrQuota) {
		p.discard(m)
	}
	return m, err
}

// putOriginal stores src without its metadata.
func (p *Photos) putOriginal(ctx context.Context, src picture.Source, info picture.Info) (store.File, error) {
	pr, pw := io.Pipe()
	stripped := make(chan struct{})
	go func() {
		defer close(stripped)
		pw.CloseWithError(picture.Strip(pw, src))
	}()
	id, size, err := p.blobs.Put(ctx, pr, src.Size()+1<<10) // a smaller file, but for an orientation
	pr.CloseWithError(err)
	<-stripped // src must not change while it is read
	if err != nil {
		return store.File{}, pictureError(err)
	}
	return store.File{Hash: id.String(), Type: info.Format.MediaType(), Bytes: size, Width: info.Width, Height: info.Height}, nil
}

func (p *Photos) putSizes(ctx context.Context, made []picture.Variant) ([]store.File, error) {
	var files []store.File
	for _, v := range made {
		id, size, err := p.blobs.Put(ctx, bytes.NewReader(v.Data), int64(len(v.Data)))
		if err != nil {
			return files, err
		}
		files = append(files, store.File{Hash: id.String(), Type: v.Format.MediaType(), Bytes: size, Width: v.Width, Height: v.Height})
	}
	return files, nil
}

// discard deletes the bytes of pictures whose rows are gone, as far as no other
// picture has the same. What it fails to delete the sweep finds.
// Where there are other nodes the sweep has all of it, a day later: one of them
// may be about to need the same bytes.
func (p *Photos) discard(list ...store.Media) {
	if p.store.Shared() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.keep.Lock()
	defer p.keep.Unlock()
	for _, m := range list {
		for _, f := range slices.Concat([]store.File{m.Original}, m.Sizes, m.Variants) {
			if f.Hash == "" {
				continue
			}
			if err := p.deleteUnneeded(ctx, f.Hash); err != nil {
				p.log.Warn().Err(err).Str("blob", f.Hash).Msg("bytes of a deleted picture stay until the next sweep")
			}
		}
	}
}

func (p *Photos) deleteUnneeded(ctx context.Context, hash string) error {
	needed, err := p.store.Referenced(ctx, hash)
	if err != nil || needed {
		return err
	}
	id, err := blob.ParseID(hash)
	if err != nil {
		return err
	}
	return p.blobs.Delete(ctx, id)
}

// ownMedia is the viewer's picture with the id in the path.
func (p *Photos) ownMedia(c *call) (store.Media, error) {
	id, err := c.id()
	if err != nil {
		return store.Media{}, err
	}
	m, err := p.store.Media(c.r.Context(), id)
	if err == nil && m.Owner != c.viewer.user.ID {
		err = store.ErrNotFound
	}
	return m, err
}

// getMedia is GET /api/v1/media/:id, for the owner: 206 as long as it cannot be
// shown, 422 where it never will be.
func (p *Photos) getMedia(c *call) (any, error) {
	m, err := p.ownMedia(c)
	if err != nil {
		return nil, err
	}
	if m.Problem != "" {
		return nil, invalid("%s", m.Problem)
	}
	return c.mediaAnswer(p, m, http.StatusPartialContent), nil
}

// deleteMedia is DELETE /api/v1/media/:id (Mastodon 4.4): a picture that is in no
// post goes at once.
func (p *Photos) deleteMedia(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	m, err := p.store.RemoveMedia(c.r.Context(), id, c.viewer.user.ID)
	if errors.Is(err, store.ErrMedia) {
		return nil, invalid("the picture is in a post; delete the post")
	}
	if err != nil {
		return nil, err
	}
	p.discard(m)
	return entity.Empty{}, nil
}

// editMedia is PUT /api/v1/media/:id.
func (p *Photos) editMedia(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	edit, err := c.edit()
	if err != nil {
		return nil, err
	}
	m, err := p.store.EditMedia(c.r.Context(), id, c.viewer.user.ID, edit)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).media(m), nil
}
