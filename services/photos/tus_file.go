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
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// syncEvery is how many bytes of an upload may come before they are made
// durable and counted: at most these come again after a crash.
const syncEvery = 4 << 20

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

func (p *Photos) uploadFile(id int64) string {
	return filepath.Join(p.uploadDir, strconv.FormatInt(id, 10))
}

func (p *Photos) removeUploadFile(id int64) {
	if err := os.Remove(p.uploadFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn().Err(err).Int64("upload", id).Msg("a file of an upload stays until the next sweep")
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

// receive writes the body behind what is durable.
func (t *tusCall) receive(u store.Upload, check *checksum) (store.Upload, error) {
	f, err := os.OpenFile(t.p.uploadFile(u.ID), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return u, fmt.Errorf("open upload: %w", err)
	}
	defer f.Close()
	switch fi, err := f.Stat(); {
	case err != nil:
		return u, fmt.Errorf("open upload: %w", err)
	case fi.Size() < u.Offset: // somebody tidied up: no zeros in its place
		return u, errTusGone
	}
	// What lies behind the offset was never acknowledged.
	if err := f.Truncate(u.Offset); err != nil {
		return u, fmt.Errorf("open upload: %w", err)
	}
	in := &input{r: t.r.Body}
	part := int64(syncEvery)
	if check != nil {
		part = u.Length
	}
	for u.Offset < u.Length {
		w := io.Writer(io.NewOffsetWriter(f, u.Offset))
		if check != nil {
			w = io.MultiWriter(w, check.sum)
		}
		n, err := io.CopyN(w, in, min(part, u.Length-u.Offset))
		ended := errors.Is(err, io.EOF) || in.err != nil
		switch {
		case err != nil && !ended:
			return u, fmt.Errorf("store upload: %w", err)
		case check != nil && in.err == nil && !check.holds():
			return u, errTusChecksum
		case check != nil && in.err != nil:
			return u, badRequest("the body ended early")
		}
		if u, err = t.settle(u, f, n); err != nil {
			return u, err
		}
		if in.err != nil {
			return u, badRequest("the body ended early")
		}
		if ended {
			return u, nil
		}
	}
	return u, nil
}

// settle makes n more bytes durable and counts them, also for a client that is
// gone: it will come again.
func (t *tusCall) settle(u store.Upload, f *os.File, n int64) (store.Upload, error) {
	if n == 0 {
		return u, nil
	}
	if err := f.Sync(); err != nil {
		return u, fmt.Errorf("store upload: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.r.Context()), time.Minute)
	defer cancel()
	expires := time.Now().Add(uploadLife)
	if err := t.p.store.MoveUpload(ctx, u.ID, u.Offset+n, expires); err != nil {
		return u, err
	}
	u.Offset, u.Expires = u.Offset+n, expires
	return u, nil
}

// finish makes a picture of a whole upload. Where it cannot be one, the upload
// is gone as well.
func (t *tusCall) finish(u store.Upload) (store.Upload, error) {
	f, err := os.Open(t.p.uploadFile(u.ID))
	if err != nil {
		return u, fmt.Errorf("open upload: %w", err)
	}
	up := &spool{f: f, size: u.Length}
	defer up.close()
	e := store.Edit{Description: &u.Description, FocusX: &u.FocusX, FocusY: &u.FocusY}
	m, err := t.p.addPicture(t.r.Context(), t.cfg, newPicture{owner: u.Owner, source: up, edit: e, upload: u.ID})
	if err != nil {
		if p, _ := problemOf(err); p.status == http.StatusUnprocessableEntity {
			err = errors.Join(err, t.p.store.RemoveUpload(t.r.Context(), u.ID))
			t.p.removeUploadFile(u.ID)
		}
		return u, err
	}
	t.p.removeUploadFile(u.ID)
	u.Media = m.ID
	return u, nil
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
		ids, err := p.store.ExpireUploads(ctx, now, batch)
		if err != nil {
			p.complain(ctx, err, "uploads are not ended yet")
			return
		}
		for _, id := range ids {
			p.removeUploadFile(id)
		}
		if len(ids) < batch {
			return
		}
	}
}

// sweepUploads removes files that no unfinished upload needs: of those that
// ended when the process did, and of people who are gone.
func (p *Photos) sweepUploads(ctx context.Context) {
	entries, err := os.ReadDir(p.uploadDir)
	if err != nil {
		p.complain(ctx, err, "files of uploads are not swept yet")
		return
	}
	for _, e := range entries {
		id, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil {
			continue // not ours
		}
		u, err := p.store.Upload(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && u.Media != 0 {
			p.removeUploadFile(id)
		}
	}
}
