package photos

import (
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// Uploads that can be resumed: tus 1.0.0 (tus.io/protocols/resumable-upload)
// with creation, creation-with-upload, checksum, termination and expiration.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,checksum,termination,expiration"
	tusRoot       = "/api/portico/v1/uploads"
	tusType       = "application/offset+octet-stream"
	mediaIDHeader = "Portico-Media-Id" // of the picture that a whole upload became

	maxOpenUploads = 32             // unfinished ones of one account
	maxMetadata    = 4 << 10        // bytes of Upload-Metadata
	uploadLife     = 24 * time.Hour // since bytes came last
)

// statusChecksum is what the checksum extension answers where one does not match.
const statusChecksum = 460

var (
	errTusVersion  = fail(http.StatusPreconditionFailed, "The header Tus-Resumable is not %s", tusVersion)
	errTusOffset   = fail(http.StatusConflict, "Upload-Offset is not where the upload is; ask with HEAD")
	errTusChecksum = fail(statusChecksum, "The checksum does not match; send the part again")
	errTusGone     = fail(http.StatusGone, "What was uploaded so far is lost; begin anew")
	errTusBusy     = fail(http.StatusLocked, "Another request is writing to this upload")
	errTusParts    = fail(http.StatusUnprocessableEntity, "The upload came in more than %d parts; begin anew with larger ones", store.MaxParts)
	errTusCount    = fail(http.StatusUnprocessableEntity, "Too many unfinished uploads: at most %d", maxOpenUploads)
)

// isTus tells whether a path is about such uploads.
func isTus(urlPath string) bool {
	return urlPath == tusRoot || strings.HasPrefix(urlPath, tusRoot+"/")
}

// tusHeaders are in every answer.
func tusHeaders(h http.Header) {
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Access-Control-Expose-Headers", "Location, Tus-Version, Tus-Resumable, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, "+
		"Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "+mediaIDHeader)
}

// tusOptions says what is offered; the answer is a preflight's as well.
func (p *Photos) tusOptions(h http.Header) {
	tusHeaders(h)
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Checksum-Algorithm", "sha1,sha256")
	h.Set("Tus-Max-Size", strconv.FormatInt(int64(p.config.Load().MaxUpload), 10))
}

// serveTus answers what is not OPTIONS. Statuses are those of tus, 204 among them.
func (p *Photos) serveTus(w http.ResponseWriter, r *http.Request) {
	tusHeaders(w.Header())
	if err := p.runTus(w, r); err != nil {
		if errors.Is(err, errTusVersion) {
			w.Header().Set("Tus-Version", tusVersion)
		}
		p.writeProblem(w, r, err)
	}
}

func (p *Photos) runTus(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if o := r.Header.Get("X-HTTP-Method-Override"); o != "" && method == http.MethodPost {
		method = o
	}
	if r.Header.Get("Tus-Resumable") != tusVersion {
		return errTusVersion
	}
	v, err := p.authorize(r, user, "write:media")
	if err != nil {
		return err
	}
	t := &tusCall{p: p, w: w, r: r, cfg: p.config.Load(), viewer: v}
	if r.URL.Path == tusRoot {
		if method != http.MethodPost {
			w.Header().Set("Allow", "OPTIONS, POST")
			return fail(http.StatusMethodNotAllowed, "%s is not allowed here", method)
		}
		return t.create()
	}
	u, err := t.find(path.Base(r.URL.Path))
	if err != nil {
		return err
	}
	switch method {
	case http.MethodHead:
		return t.head(u)
	case http.MethodPatch:
		return t.patch(u)
	case http.MethodDelete:
		return t.terminate(u)
	}
	w.Header().Set("Allow", "DELETE, HEAD, OPTIONS, PATCH")
	return fail(http.StatusMethodNotAllowed, "%s is not allowed here", method)
}

// A tusCall is one request about an upload.
type tusCall struct {
	p      *Photos
	w      http.ResponseWriter
	r      *http.Request
	cfg    *Config
	viewer viewer
}

// find returns an upload of the viewer's. Those of others are not there.
func (t *tusCall) find(name string) (store.Upload, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return store.Upload{}, errNotFound
	}
	u, err := t.p.store.Upload(t.r.Context(), id)
	if err == nil && (u.Owner != t.viewer.user.ID || u.Media == 0 && !u.Expires.After(time.Now())) {
		err = store.ErrNotFound
	}
	return u, err
}

// create is POST: an upload begins, perhaps with its first bytes. It counts as a
// call, other than the parts that follow.
func (t *tusCall) create() error {
	if err := t.p.limited(t.w, t.r, t.cfg, t.viewer); err != nil {
		return err
	}
	u, err := t.newUpload()
	if err != nil {
		return err
	}
	u, err = t.p.store.AddUpload(t.r.Context(), u, maxOpenUploads, int64(t.cfg.Quota))
	if errors.Is(err, store.ErrUploads) {
		return errTusCount
	}
	if err != nil {
		return err
	}
	t.w.Header().Set("Location", baseOf(t.cfg.PublicURL, t.r)+tusRoot+"/"+strconv.FormatInt(u.ID, 10))
	if t.r.Header.Get("Content-Type") == tusType && t.r.ContentLength != 0 {
		// What arrives of the first bytes is there; the client goes on from it.
		if u, err = t.take(u, http.StatusCreated); err != nil {
			return err
		}
	}
	return t.answer(http.StatusCreated, u)
}

// newUpload reads what a new upload is to be.
func (t *tusCall) newUpload() (u store.Upload, err error) {
	h := t.r.Header
	if h.Get("Upload-Concat") != "" || h.Get("Upload-Defer-Length") != "" {
		return u, badRequest("Upload-Concat and Upload-Defer-Length are not offered here")
	}
	u.Length, err = strconv.ParseInt(h.Get("Upload-Length"), 10, 64)
	switch {
	case err != nil || u.Length <= 0:
		return u, badRequest("Upload-Length is not a number above 0")
	case u.Length > int64(t.cfg.MaxUpload):
		return u, tooLarge(t.cfg)
	}
	u.Owner, u.Metadata, u.Expires = t.viewer.user.ID, h.Get("Upload-Metadata"), time.Now().Add(uploadLife)
	meta, err := parseMetadata(u.Metadata)
	if err != nil {
		return u, err
	}
	var description *string
	if text, ok := meta["description"]; ok {
		description = &text
	}
	e, err := editOf(t.cfg, description, meta["focus"])
	if err != nil {
		return u, err
	}
	if e.Description != nil {
		u.Description = *e.Description
	}
	if e.FocusX != nil {
		u.FocusX, u.FocusY = *e.FocusX, *e.FocusY
	}
	return u, nil
}

// parseMetadata reads Upload-Metadata: pairs of a key and base64, with commas.
func parseMetadata(text string) (map[string]string, error) {
	meta := map[string]string{}
	if text == "" {
		return meta, nil
	}
	if len(text) > maxMetadata {
		return nil, badRequest("Upload-Metadata is longer than %d bytes", maxMetadata)
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		raw, err := base64.StdEncoding.DecodeString(value)
		if _, twice := meta[key]; err != nil || key == "" || twice {
			return nil, badRequest("Upload-Metadata is not a list of different keys with base64")
		}
		meta[key] = strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return meta, nil
}

// head says how far an upload is. Bytes that all arrived before a crash become a
// picture now.
func (t *tusCall) head(u store.Upload) error {
	release, err := t.p.transfers.take(t.r.Context(), u.ID, nil)
	if err != nil {
		return err
	}
	defer release()
	if u, err = t.find(strconv.FormatInt(u.ID, 10)); err != nil {
		return err
	}
	if u.Media == 0 && u.Offset == u.Length {
		if u, err = t.finish(u); err != nil {
			return err
		}
	}
	h := t.w.Header()
	h.Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	if u.Metadata != "" {
		h.Set("Upload-Metadata", u.Metadata)
	}
	return t.answer(http.StatusOK, u)
}

// patch takes bytes.
func (t *tusCall) patch(u store.Upload) error {
	if t.r.Header.Get("Content-Type") != tusType {
		return fail(http.StatusUnsupportedMediaType, "Content-Type is not %s", tusType)
	}
	u, err := t.take(u, http.StatusNoContent)
	if err != nil {
		return err
	}
	return t.answer(http.StatusNoContent, u)
}

// terminate ends an upload. What it became stays.
func (t *tusCall) terminate(u store.Upload) error {
	release, err := t.p.transfers.take(t.r.Context(), u.ID, nil)
	if err != nil {
		return err
	}
	defer release()
	if err := t.p.dropUpload(t.r.Context(), u.ID); err != nil {
		return err
	}
	t.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (t *tusCall) answer(status int, u store.Upload) error {
	h := t.w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	h.Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	if u.Media != 0 {
		h.Set(mediaIDHeader, strconv.FormatInt(u.Media, 10))
	}
	t.w.WriteHeader(status)
	return nil
}
