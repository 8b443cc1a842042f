package photos

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // a checksum that clients may choose, not a secret
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/services/photos/store"
)

// Uploads lie in the blob store in parts, so that any node goes on with them.
// partSize is how many bytes may come before they are made durable and counted: at
// most these come again after a crash.
const partSize = 4 << 20

// transferPatience is how long a request waits for an older one about the same
// upload to let go: that one's connection is usually dead.
const transferPatience = 10 * time.Second

// transfers knows who works on which upload. The zero transfers is ready.
type transfers struct {
	mu   sync.Mutex
	busy map[int64]*transfer // guarded by mu
}

type transfer struct {
	stop func() // has the holder let go soon; may be nil
	done chan struct{}
}

// take makes the caller the only one who works on an upload: an older request is
// interrupted. stop interrupts the caller; nil: it is quick.
func (t *transfers) take(ctx context.Context, id int64, stop func()) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, transferPatience)
	defer cancel()
	mine := &transfer{stop: stop, done: make(chan struct{})}
	for {
		t.mu.Lock()
		older := t.busy[id]
		if older == nil {
			if t.busy == nil {
				t.busy = map[int64]*transfer{}
			}
			t.busy[id] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, id)
				t.mu.Unlock()
				close(mine.done)
			}, nil
		}
		t.mu.Unlock()
		if older.stop != nil {
			older.stop()
		}
		select {
		case <-older.done:
		case <-ctx.Done():
			return nil, errTusBusy
		}
	}
}

// take appends the body of the request to an upload, and makes a picture of it
// when it is whole. Whatever arrived before an error is counted, but where a
// checksum was to hold for all of it.
func (t *tusCall) take(u store.Upload, status int) (store.Upload, error) {
	if err := t.p.uploads.enter(t.viewer.user.ID); err != nil {
		return u, err
	}
	defer t.p.uploads.leave(t.viewer.user.ID)
	check, err := parseChecksum(t.r.Header.Get("Upload-Checksum"))
	if err != nil {
		return u, err
	}
	control := http.NewResponseController(t.w)
	release, err := t.p.transfers.take(t.r.Context(), u.ID, func() { _ = control.SetReadDeadline(time.Now()) })
	if err != nil {
		return u, err
	}
	defer release()
	if u, err = t.find(strconv.FormatInt(u.ID, 10)); err != nil {
		return u, err
	}
	// An upload that begins with its creation has no offset to name.
	if status == http.StatusNoContent && t.r.Header.Get("Upload-Offset") != strconv.FormatInt(u.Offset, 10) {
		return u, errTusOffset
	}
	if t.r.ContentLength > u.Length-u.Offset {
		return u, fail(http.StatusRequestEntityTooLarge, "The upload would be longer than its Upload-Length")
	}
	if u.Media == 0 && u.Offset < u.Length {
		if u, err = t.receive(u, check); err != nil {
			return u, err
		}
	}
	if u.Media == 0 && u.Offset == u.Length {
		return t.finish(u)
	}
	return u, nil
}

// receive takes the body in parts, behind what is durable.
func (t *tusCall) receive(u store.Upload, check *checksum) (store.Upload, error) {
	in := &input{r: t.r.Body}
	size := int64(partSize)
	if check != nil {
		size = u.Length
	}
	for u.Offset < u.Length {
		left := min(size, u.Length-u.Offset)
		n, err := t.receivePart(&u, in, left, check)
		if err != nil {
			return u, err
		}
		if in.err != nil {
			return u, badRequest("the body ended early")
		}
		if n < left {
			return u, nil
		}
	}
	return u, nil
}

// receivePart takes up to limit bytes. It waits for them on the disk, not in the
// blob store, which others wait for.
func (t *tusCall) receivePart(u *store.Upload, in *input, limit int64, check *checksum) (n int64, err error) {
	s, err := t.p.newSpool()
	if err != nil {
		return 0, err
	}
	defer s.close()
	w := io.Writer(s.f)
	if check != nil {
		w = io.MultiWriter(w, check.sum)
	}
	n, err = io.CopyN(w, in, limit)
	s.size = n
	switch {
	case err != nil && !errors.Is(err, io.EOF) && in.err == nil:
		return n, fmt.Errorf("store upload: %w", err)
	case check != nil && in.err != nil:
		return n, badRequest("the body ended early")
	case check != nil && !check.holds():
		return n, errTusChecksum
	case n == 0:
		return 0, nil
	}
	return n, t.settle(u, s)
}

// settle makes a part durable and counts it, also for a client that is gone: it
// will come again.
func (t *tusCall) settle(u *store.Upload, s *spool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.r.Context()), time.Minute)
	defer cancel()
	expires := time.Now().Add(uploadLife)
	part := store.Part{At: u.Offset}
	t.p.keep.RLock()
	err := func() error {
		id, size, err := t.p.blobs.Put(ctx, io.NewSectionReader(s.f, 0, s.size), s.size)
		if err != nil {
			return fmt.Errorf("store upload: %w", err)
		}
		part.Hash, part.Bytes = id.String(), size
		return t.p.store.AddPart(ctx, u.ID, part, expires)
	}()
	t.p.keep.RUnlock()
	switch {
	case errors.Is(err, store.ErrNotFound):
		t.p.discard(part.Media())
		return errTusOffset // another node was told something else
	case errors.Is(err, store.ErrTooMany):
		t.p.discard(part.Media())
		return errTusParts
	case err != nil:
		return err
	}
	u.Offset, u.Expires = u.Offset+part.Bytes, expires
	return nil
}

// finish makes a picture of a whole upload, unless another node was quicker.
func (t *tusCall) finish(u store.Upload) (store.Upload, error) {
	done, err := t.makePicture(u)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errTusGone) {
		if now, ferr := t.find(strconv.FormatInt(u.ID, 10)); ferr == nil && now.Media != 0 {
			return now, nil
		}
	}
	return done, err
}

// makePicture joins the parts. Where they cannot be a picture, the upload is gone
// as well.
func (t *tusCall) makePicture(u store.Upload) (store.Upload, error) {
	ctx := t.r.Context()
	list, err := t.p.store.Parts(ctx, u.ID)
	if err != nil {
		return u, err
	}
	up, err := t.p.join(ctx, list)
	if err != nil {
		return u, err
	}
	defer up.close()
	if up.size != u.Length {
		return u, errTusGone
	}
	e := store.Edit{Description: &u.Description, FocusX: &u.FocusX, FocusY: &u.FocusY}
	m, err := t.p.addPicture(ctx, t.cfg, newPicture{owner: u.Owner, source: up, edit: e, upload: u.ID})
	if err != nil {
		if p, _ := problemOf(err); p.status == http.StatusUnprocessableEntity {
			err = errors.Join(err, t.p.dropUpload(ctx, u.ID))
		}
		return u, err
	}
	t.p.discardParts(list)
	u.Media = m.ID
	return u, nil
}

// join copies parts into one file.
func (p *Photos) join(ctx context.Context, list []store.Part) (s *spool, err error) {
	if s, err = p.newSpool(); err != nil {
		return nil, err
	}
	for _, part := range list {
		n, err := p.copyPart(ctx, s.f, part)
		if s.size += n; err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (p *Photos) copyPart(ctx context.Context, w io.Writer, part store.Part) (int64, error) {
	id, err := blob.ParseID(part.Hash)
	if err != nil {
		return 0, err
	}
	f, err := p.blobs.Open(ctx, id)
	if errors.Is(err, blob.ErrNotFound) {
		return 0, errTusGone
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err != nil {
		return n, fmt.Errorf("read upload: %w", err)
	}
	return n, nil
}

// dropUpload forgets an upload with its bytes.
func (p *Photos) dropUpload(ctx context.Context, id int64) error {
	list, err := p.store.RemoveUpload(ctx, id)
	p.discardParts(list)
	return err
}

func (p *Photos) discardParts(list []store.Part) {
	media := make([]store.Media, len(list))
	for i, part := range list {
		media[i] = part.Media()
	}
	p.discard(media...)
}

// checksum is what Upload-Checksum says.
type checksum struct {
	sum  hash.Hash
	want []byte
}

func (c *checksum) holds() bool { return bytes.Equal(c.sum.Sum(nil), c.want) }

// parseChecksum reads "sha1 BASE64" or "sha256 BASE64"; empty: nil.
func parseChecksum(text string) (*checksum, error) {
	if text == "" {
		return nil, nil
	}
	name, encoded, _ := strings.Cut(text, " ")
	c := &checksum{}
	switch name {
	case "sha1":
		c.sum = sha1.New() //nolint:gosec // see the import
	case "sha256":
		c.sum = sha256.New()
	default:
		return nil, badRequest("Upload-Checksum is neither sha1 nor sha256")
	}
	var err error
	if c.want, err = base64.StdEncoding.DecodeString(encoded); err != nil || len(c.want) != c.sum.Size() {
		return nil, badRequest("Upload-Checksum has no such checksum in base64")
	}
	return c, nil
}

// expireUploads ends those that nobody goes on with.
func (p *Photos) expireUploads(ctx context.Context, now time.Time) {
	for {
		n, list, err := p.store.ExpireUploads(ctx, now, batch)
		if err != nil {
			p.complain(ctx, err, "uploads are not ended yet")
			return
		}
		p.discardParts(list)
		if n < batch {
			return
		}
	}
}
