package photos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

// ladder are the widths that every picture gets, as far as it has them. The
// first firstSizes exist when an upload is answered.
var ladder = []int{320, 640, 1080, 2048}

const firstSizes = 2

// A spool is an upload on its way: a file without a name, which is gone with the
// process.
type spool struct {
	f    *os.File
	size int64
}

func (s *spool) close() {
	if s != nil {
		_ = s.f.Close() // only read from here on, and not kept
	}
}

func (s *spool) source() picture.Source { return io.NewSectionReader(s.f, 0, s.size) }

// tooLarge is the answer to an upload beyond the limit, wherever that was found
// out: the length of the body, or reading it.
func tooLarge(cfg *Config) error {
	return fail(http.StatusRequestEntityTooLarge, "The picture is too large: at most %s are accepted", sizeText(int64(cfg.MaxUpload)))
}

// spoolFile returns the function that takes the part "file" of c's body. Other
// files, such as a thumbnail of one's own, are ignored.
func (p *Photos) spoolFile(c *call) params.FileFunc {
	return func(name, _ string, r io.Reader) error {
		if name != "file" || c.upload != nil {
			return nil
		}
		var err error
		c.upload, err = p.spool(r, int64(c.cfg.MaxUpload))
		return err
	}
}

// spool writes r to a file without a name.
func (p *Photos) spool(r io.Reader, limit int64) (*spool, error) {
	f, err := os.CreateTemp(p.spoolDir, "upload-*")
	if err != nil {
		return nil, fmt.Errorf("spool upload: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("spool upload: %w", err), f.Close())
	}
	s := &spool{f: f}
	in := &input{r: io.LimitReader(r, limit+1)}
	s.size, err = io.Copy(f, in)
	switch {
	case s.size > limit:
		err = fmt.Errorf("%w: a file has more than %d bytes", params.ErrTooLarge, limit)
	case in.err != nil:
		err = fmt.Errorf("%w: the body ended early", params.ErrMalformed)
		if over := (*http.MaxBytesError)(nil); errors.As(in.err, &over) {
			err = fmt.Errorf("%w: more than %d bytes", params.ErrTooLarge, over.Limit)
		}
	case err != nil:
		err = fmt.Errorf("spool upload: %w", err)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// input remembers the error of the reader, which is the client's, apart from
// that of the disk.
type input struct {
	r   io.Reader
	err error
}

func (i *input) Read(b []byte) (int, error) {
	n, err := i.r.Read(b)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

// emptyDir makes dir, and removes what an earlier process left in it.
func emptyDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// createMedia is POST /api/v1/media and /api/v2/media. Both answer when the
// original is durable and the first sizes exist.
func (p *Photos) createMedia(c *call) (any, error) {
	if c.upload == nil {
		return nil, invalid("file is missing; send it as multipart/form-data")
	}
	edit, err := c.edit()
	if err != nil {
		return nil, err
	}
	m, err := p.addPicture(c.r.Context(), c.cfg, c.viewer.user.ID, c.upload, edit)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).media(m), nil
}

// edit reads description and focus.
func (c *call) edit() (e store.Edit, err error) {
	if c.params.Has("description") {
		e.Description = new(strings.TrimSpace(c.params.String("description")))
		if tooLong(*e.Description, c.cfg.Limits.Description) {
			return e, invalid("description is longer than %d characters", c.cfg.Limits.Description)
		}
	}
	if focus := c.params.String("focus"); focus != "" {
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

// addPicture makes the first sizes of an upload and stores them with the
// original, bytes first: a row never names bytes that are not durable.
func (p *Photos) addPicture(ctx context.Context, cfg *Config, owner int64, up *spool, e store.Edit) (m store.Media, err error) {
	defer func() { p.metrics.upload(err) }()
	src := up.source()
	info, err := p.pictures.Inspect(src, picture.Limits{Pixels: matrixLimit})
	if err != nil {
		return m, pictureError(err)
	}
	steps := picture.LadderSpecs(info, ladder...)
	first := steps[:min(firstSizes, len(steps))]
	made, err := p.pictures.Make(ctx, src, picture.Job{Specs: first, Blurhash: true, Limits: picture.Limits{Pixels: matrixLimit}})
	if err != nil {
		return m, pictureError(err)
	}
	m = store.Media{Owner: owner, Blurhash: made.Blurhash, Complete: len(first) == len(steps)}
	if e.Description != nil {
		m.Description = *e.Description
	}
	if e.FocusX != nil {
		m.FocusX, m.FocusY = *e.FocusX, *e.FocusY
	}
	m, err = p.storePicture(ctx, m, src, made, int64(cfg.Quota))
	if err == nil && !m.Complete {
		p.wakeWorker()
	}
	return m, err
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
func (p *Photos) discard(list ...store.Media) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.keep.Lock()
	defer p.keep.Unlock()
	for _, m := range list {
		for _, f := range append([]store.File{m.Original}, m.Sizes...) {
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

// getMedia is GET /api/v1/media/:id, for the owner.
func (p *Photos) getMedia(c *call) (any, error) {
	m, err := p.ownMedia(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).media(m), nil
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
