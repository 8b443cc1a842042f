package photos

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/store"
)

// Pictures lie at /media/ID/original.jpg and /media/ID/640.jpg, whatever they
// are: the bytes there never change.
const mediaRoot = "/media/"

func mediaPath(id int64, name string) string {
	return mediaRoot + strconv.FormatInt(id, 10) + "/" + name
}

// extensions of the media types that are stored.
var extensions = map[string]string{"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp"}

func originalName(m store.Media) string { return "original" + extensions[m.Original.Type] }

func sizeName(f store.File) string { return strconv.Itoa(f.Width) + extensions[f.Type] }

// fileOf finds the file of m that has a name.
func fileOf(m store.Media, name string) (store.File, bool) {
	if name == originalName(m) {
		return m.Original, true
	}
	for _, f := range m.Sizes {
		if name == sizeName(f) {
			return f, true
		}
	}
	return store.File{}, false
}

// serveMedia answers with the bytes of a picture, to those who may see it.
// Everything else is a 404, so that nobody learns what there is.
func (p *Photos) serveMedia(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	cors(h)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		preflight(w, r)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		p.writeProblem(w, r, fail(http.StatusMethodNotAllowed, "%s is not allowed here", r.Method))
		return
	}
	if f, ok, err := p.portraitFile(r); ok {
		if err == nil {
			err = p.sendFile(w, r, f, true)
		}
		if err != nil {
			p.writeProblem(w, r, err)
		}
		return
	}
	m, f, err := p.allowedFile(r)
	if err != nil {
		p.writeProblem(w, r, err)
		return
	}
	if f.Hash != m.Original.Hash {
		h.Add("Vary", "Accept")
		f = smaller(m, f, r.Header.Values("Accept"))
	}
	if err := p.sendFile(w, r, f, plainURL(m)); err != nil {
		h.Del("Vary")
		p.writeProblem(w, r, err)
	}
}

// plainURL tells that the bytes of m are for everybody and for good, so that
// their URLs need no signature. Stories are for people who signed in, for a day.
func plainURL(m store.Media) bool { return m.Story == 0 && forEverybody(m.Visibility) }

// smaller is the same picture as f in a type that the client says it reads, where
// there is one; f where there is none.
func smaller(m store.Media, f store.File, accept []string) store.File {
	for _, v := range m.Variants {
		if v.Width == f.Width && v.Bytes < f.Bytes && picture.Accepts(accept, v.Type) {
			f = v
		}
	}
	return f
}

// allowedFile finds the file that a URL names, if who holds the URL may see it.
func (p *Photos) allowedFile(r *http.Request) (m store.Media, f store.File, err error) {
	ids, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, mediaRoot), "/")
	id, err := strconv.ParseInt(ids, 10, 64)
	if err != nil {
		return m, f, errNotFound
	}
	if m, err = p.store.Media(r.Context(), id); err != nil {
		return m, f, err
	}
	f, ok := fileOf(m, name)
	if !ok {
		return m, f, errNotFound
	}
	if !m.Expires.IsZero() && !m.Expires.After(time.Now()) {
		return m, f, errNotFound // a story that is over
	}
	var v viewer
	if !plainURL(m) {
		if v, err = p.signedFor(r); err != nil {
			return m, f, err
		}
	}
	if m.Story != 0 && !v.signedIn() {
		return m, f, errNotFound
	}
	may, err := p.mayReadMedia(r.Context(), v, m)
	if err == nil && !may {
		err = errNotFound
	}
	return m, f, err
}

// signedFor is the viewer that a signed URL names, as long as their session
// lives; anybody where the signature does not hold.
func (p *Photos) signedFor(r *http.Request) (viewer, error) {
	userID, session := p.signer.verify(r.URL.Path, r.URL.Query())
	if userID == 0 {
		return viewer{}, nil
	}
	sessions, err := p.people.Sessions(r.Context(), userID, p.label)
	if err != nil {
		return viewer{}, err
	}
	for _, s := range sessions {
		if s.ID != session {
			continue
		}
		u, err := p.people.User(r.Context(), userID)
		if errors.Is(err, account.ErrNotFound) || u.Suspended {
			return viewer{}, nil
		}
		if err != nil {
			return viewer{}, err
		}
		return p.viewer(r.Context(), u, s)
	}
	return viewer{}, nil
}

// sendFile sends bytes that never change. What is for everybody may be kept by
// every cache for good; the rest may be kept, but each use asks again whether it
// still may.
func (p *Photos) sendFile(w http.ResponseWriter, r *http.Request, f store.File, public bool) error {
	id, err := blob.ParseID(f.Hash)
	if err != nil {
		return err
	}
	b, err := p.blobs.Open(r.Context(), id)
	if err != nil {
		// Rarely a post that is being deleted; otherwise somebody lost data.
		p.log.Warn().Err(err).Str("path", r.URL.Path).Msg("a picture has no bytes")
		return err
	}
	defer b.Close()
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("ETag", `"`+f.Hash+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if public {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "private, no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, b)
	return nil
}
