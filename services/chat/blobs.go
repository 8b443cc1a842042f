package chat

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/chat/store"
)

const (
	urlLife     = 24 * time.Hour // of a signed address, at most
	maxUploads  = 8              // of a user at a time: each takes its size in the spool
	maxBlobName = 255            // bytes
	sniffBytes  = 512
)

// blobURL is an attachment's address, signed for one viewer. It stays the same
// for an hour, so that browsers find what they have.
func (c *Chat) blobURL(id string, viewer int64) string {
	if id == "" {
		return ""
	}
	until := time.Now().Truncate(time.Hour).Add(urlLife).Unix()
	return c.link(fmt.Sprintf("/v1/blobs/%s?for=%d&until=%d&sig=%s", id, viewer, until, c.sign(id, viewer, until)))
}

// link is the full address of a path where it is known.
func (c *Chat) link(path string) string { return strings.TrimSuffix(c.config().PublicURL, "/") + path }

func (c *Chat) sign(id string, viewer, until int64) string {
	mac := hmac.New(sha256.New, c.store.Key())
	_, _ = fmt.Fprintf(mac, "blob\n%s\n%d\n%d", id, viewer, until) // it never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// viewer returns who asks for an attachment: by a token, or by an address that
// was signed for him.
func (c *Chat) viewer(r *http.Request, id string) (int64, error) {
	q := r.URL.Query()
	if !q.Has("sig") {
		who, err := c.authenticate(r.Context(), bearer(r))
		if err != nil {
			return 0, err
		}
		return who.user.ID, nil
	}
	user, err1 := strconv.ParseInt(q.Get("for"), 10, 64)
	until, err2 := strconv.ParseInt(q.Get("until"), 10, 64)
	if errors.Join(err1, err2) != nil || !hmac.Equal([]byte(q.Get("sig")), []byte(c.sign(id, user, until))) || time.Now().Unix() > until {
		return 0, &Error{Code: CodeUnauthorized, Message: "this address is not valid any more"}
	}
	if u, err := c.profile(r.Context(), user); err != nil || u.Suspended {
		return 0, errors.Join(err, errToken)
	}
	return user, nil
}

func (c *Chat) getBlob(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("blob")
	viewer, err := c.viewer(r, id)
	if err != nil {
		return err
	}
	b, err := c.store.Blob(r.Context(), viewer, id)
	if err != nil {
		return fmt.Errorf("find attachment: %w", err)
	}
	key, err := blob.ParseID(b.Hash)
	if err != nil {
		return fmt.Errorf("find attachment: %w", err)
	}
	f, err := c.blobs.Open(r.Context(), key)
	if err != nil {
		return fmt.Errorf("open attachment: %w", err)
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", b.Type)
	h.Set("Content-Disposition", disposition(b))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache") // asked for each time, sent once
	h.Set("ETag", `"`+b.Hash[:32]+`"`)
	content := &contentWriter{ResponseWriter: w}
	http.ServeContent(content, r, "", time.Time{}, f)
	if content.refused {
		return &Error{Code: CodeBadRequest, Status: http.StatusRequestedRangeNotSatisfiable, Message: "the attachment has no such range"}
	}
	return nil
}

// contentWriter leaves it to others to say that a range is wrong.
type contentWriter struct {
	http.ResponseWriter
	refused bool
}

func (w *contentWriter) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable; !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *contentWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy files.
func (w *contentWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, r)
}

// disposition lets browsers show what cannot run anything, and download the
// rest (RFC 6266).
func disposition(b store.Blob) string {
	kind := "attachment"
	if isInline(b.Type) {
		kind = "inline"
	}
	if b.Name == "" {
		return kind
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, b.Name)
	return fmt.Sprintf(`%s; filename="%s"; filename*=UTF-8''%s`, kind, plain, strings.ReplaceAll(url.QueryEscape(b.Name), "+", "%20"))
}

// isInline says that a sniffed type is a picture, sound or film.
func isInline(typ string) bool {
	switch typ {
	case "image/jpeg", "image/png", "image/gif", "image/webp", "application/ogg":
		return true
	}
	return strings.HasPrefix(typ, "audio/") || strings.HasPrefix(typ, "video/")
}

func (c *Chat) postBlobs(w http.ResponseWriter, r *http.Request, who *identity) error {
	cfg := c.config()
	limit := int64(cfg.MaxAttachment)
	if r.ContentLength > limit+64<<10 { // what multipart adds
		return fmt.Errorf("take attachment: %w", blob.ErrTooLarge)
	}
	body, name, err := uploaded(r)
	if err != nil {
		return err
	}
	if given := r.URL.Query().Get("name"); given != "" {
		name = given
	}
	if !c.uploads.Enter(who.user.ID, maxUploads) {
		return &Error{Code: CodeRateLimited, Message: "too many uploads at once; wait until one is done", RetryAfter: time.Second}
	}
	defer c.uploads.Leave(who.user.ID)
	b, err := c.takeBlob(r.Context(), who.person(), body, cleanName(name), limit, int64(cfg.Quota))
	c.disk.note(err)
	if err != nil {
		c.unwanted(r.Context(), b.Hash, err)
		return err
	}
	respond(w, http.StatusCreated, c.blobOf(b, who.user.ID))
	return nil
}

// uploaded finds the bytes of an upload: the body itself, or the first file of
// a form.
func uploaded(r *http.Request) (io.Reader, string, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return r.Body, "", nil
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, "", badRequest("the form could not be read")
	}
	for range 100 {
		part, err := form.NextPart()
		if err != nil {
			break
		}
		if part.FileName() != "" {
			return part, part.FileName(), nil
		}
	}
	return nil, "", badRequest("the form holds no file")
}

// cleanName is a file name as it is kept: for people only.
func cleanName(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) { // "gpj.exe" must not look like "exe.jpg"
			return -1
		}
		return r
	}, s))
	for len(s) > maxBlobName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// takeBlob stores an upload: bytes first, then the record of them, which counts
// against the quota. What is left between the two by a crash is swept. A blob
// with a hash beside the error is one whose bytes are stored and not wanted.
func (c *Chat) takeBlob(ctx context.Context, owner store.Person, body io.Reader, name string, limit, quota int64) (store.Blob, error) {
	f, size, err := c.spool(body, limit)
	if err != nil {
		return store.Blob{}, err
	}
	defer f.Close()
	b := store.Blob{ID: strings.ToLower(rand.Text()), Name: name}
	content, err := describe(f, size, &b)
	if err != nil {
		return store.Blob{}, err
	}
	defer content.Close()
	c.dropping.RLock() // its bytes are not removed between the two
	defer c.dropping.RUnlock()
	key, size, err := c.blobs.Put(ctx, content, limit)
	if err != nil {
		return store.Blob{}, fmt.Errorf("store attachment: %w", pictureError(err))
	}
	b.Hash, b.Size = key.String(), size
	if err := c.store.AddBlob(ctx, owner, b, quota); err != nil {
		return b, fmt.Errorf("store attachment: %w", err)
	}
	return b, nil
}

// spool writes body to a file without a name, which is gone with the process.
func (c *Chat) spool(body io.Reader, limit int64) (*os.File, int64, error) {
	f, err := os.CreateTemp(c.spoolDir, "upload-*")
	if err != nil {
		return nil, 0, fmt.Errorf("spool attachment: %w", err)
	}
	err = os.Remove(f.Name())
	in := &clientReader{r: io.LimitReader(body, limit+1)}
	var size int64
	if err == nil {
		size, err = io.Copy(f, in)
	}
	switch {
	case in.err != nil:
		err = badRequest("the body ended early")
	case err != nil:
		err = fmt.Errorf("spool attachment: %w", err)
	case size > limit:
		err = fmt.Errorf("take attachment: %w", blob.ErrTooLarge)
	case size == 0:
		err = badRequest("the attachment is empty")
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// clientReader tells errors of the client from those of the disk.
type clientReader struct {
	r   io.Reader
	err error
}

func (c *clientReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// describe sniffs what an upload is and returns what to keep of it: pictures
// without the place where they were taken, and what else is in their metadata.
func describe(f *os.File, size int64, b *store.Blob) (io.ReadCloser, error) {
	head := make([]byte, sniffBytes)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read attachment: %w", err)
	}
	head = head[:n]
	whole := io.NewSectionReader(f, 0, size)
	format := picture.Sniff(head)
	if format == picture.Auto {
		b.Type = sniffed(head)
		return io.NopCloser(whole), nil
	}
	info, err := picture.Inspect(whole)
	if err != nil {
		return nil, pictureError(err)
	}
	b.Type, b.Width, b.Height = format.MediaType(), info.Width, info.Height
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(picture.Strip(pw, io.NewSectionReader(f, 0, size))) }()
	return pr, nil
}

// sniffed is the type of what is no picture that can be stripped. Other pictures
// are not shown: what they say about places could not be taken out.
func sniffed(head []byte) string {
	typ := http.DetectContentType(head)
	if strings.HasPrefix(typ, "image/") || strings.HasPrefix(typ, "text/html") || strings.HasPrefix(typ, "text/xml") {
		return "application/octet-stream"
	}
	return typ
}

func pictureError(err error) error {
	if errors.Is(err, picture.ErrBroken) || errors.Is(err, picture.ErrFormat) {
		return badRequest("the picture is damaged")
	}
	return err
}
