package photos

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

const (
	exportPage = 40
	// exportStall is how long a client may take nothing of an export.
	exportStall = 2 * time.Minute
)

// exported is a post in posts.json.
type exported struct {
	entity.Status
	Text  string   `json:"text"`
	Files []string `json:"files"` // in the archive, in the order of the pictures
}

// export is GET /api/portico/v1/export: a zip file of one's profile, posts,
// albums and the originals of all pictures. It is made while it is sent, a page
// of posts at a time.
func (p *Photos) export(c *call) (any, error) {
	if err := p.uploads.enter(c.viewer.user.ID); err != nil {
		return nil, err
	}
	defer p.uploads.leave(c.viewer.user.ID)
	me, err := c.renderer(p).credentials(c.viewer.user)
	if err != nil {
		return nil, err
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.zip"`, c.viewer.user.Username, time.Now().UTC().Format("2006-01-02")))
	h.Set("Cache-Control", "no-store")
	out := &steadyWriter{w: c.w, control: http.NewResponseController(c.w)}
	defer out.end()
	x := &exporter{p: p, c: c, zip: zip.NewWriter(out)}
	if err := x.run(me); err != nil {
		// Without its directory the archive is visibly not whole.
		p.log.Warn().Err(err).Msg("an export ended early")
	}
	return written{}, nil
}

// steadyWriter bounds how long a client may take nothing.
type steadyWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func (s *steadyWriter) Write(b []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(exportStall)) // not every connection has one
	return s.w.Write(b)
}

// end leaves the connection as it was: it may be used again.
func (s *steadyWriter) end() { _ = s.control.SetWriteDeadline(time.Time{}) }

type exporter struct {
	p   *Photos
	c   *call
	zip *zip.Writer
}

func (x *exporter) run(me entity.Account) error {
	if err := x.json("account.json", func(enc *json.Encoder, _ io.Writer) error { return enc.Encode(me) }); err != nil {
		return err
	}
	if err := x.json("posts.json", x.posts); err != nil {
		return err
	}
	if err := x.json("albums.json", x.albums); err != nil {
		return err
	}
	if err := x.eachPost(func(s store.Status) error { return x.originals(s.Media) }); err != nil {
		return err
	}
	stories, err := x.p.store.Stories(x.ctx(), []int64{x.c.viewer.user.ID}, x.c.viewer.user.ID, time.Now())
	if err != nil {
		return err
	}
	for _, s := range stories {
		if err := x.originals([]store.Media{s.Media}); err != nil {
			return err
		}
	}
	return x.zip.Close()
}

func (x *exporter) ctx() context.Context { return x.c.r.Context() }

// json adds a file that fill writes.
func (x *exporter) json(name string, fill func(*json.Encoder, io.Writer) error) error {
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now()})
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return fill(enc, w)
}

// eachPost calls fn for all posts of the viewer, newest first.
func (x *exporter) eachPost(fn func(store.Status) error) error {
	f := store.Feed{Authors: []int64{x.c.viewer.user.ID}, Visibilities: store.Visibilities[:], Page: store.Page{Limit: exportPage}}
	for {
		list, err := x.p.store.Feed(x.ctx(), f)
		if err != nil {
			return err
		}
		for _, s := range list {
			if err := fn(s); err != nil {
				return err
			}
			f.Max = s.ID
		}
		if len(list) < exportPage {
			return nil
		}
	}
}

// posts writes a JSON list.
func (x *exporter) posts(enc *json.Encoder, w io.Writer) error {
	r, sep := x.c.renderer(x.p), "[\n"
	err := x.eachPost(func(s store.Status) error {
		e, err := r.status(s)
		if err != nil {
			return err
		}
		out := exported{Status: e, Text: s.Text, Files: []string{}}
		for _, m := range s.Media {
			out.Files = append(out.Files, exportName(m))
		}
		if _, err := io.WriteString(w, sep); err != nil {
			return err
		}
		sep = ","
		return enc.Encode(out)
	})
	if err != nil {
		return err
	}
	if sep != "," {
		sep = "["
	} else {
		sep = ""
	}
	_, err = io.WriteString(w, sep+"]\n")
	return err
}

func (x *exporter) albums(enc *json.Encoder, _ io.Writer) error {
	list, err := x.p.store.Albums(x.ctx(), x.c.viewer.user.ID, store.Page{Limit: 1000})
	if err != nil {
		return err
	}
	out, err := x.c.renderer(x.p).albums(x.c.viewer.user, list)
	if err != nil {
		return err
	}
	return enc.Encode(out)
}

func exportName(m store.Media) string {
	return "media/" + strconv.FormatInt(m.ID, 10) + extensions[m.Original.Type]
}

// originals adds the bytes of pictures, which are compressed already.
func (x *exporter) originals(list []store.Media) error {
	for _, m := range list {
		id, err := blob.ParseID(m.Original.Hash)
		if err != nil {
			return err
		}
		f, err := x.p.blobs.Open(x.ctx(), id)
		if err != nil {
			return err
		}
		w, err := x.zip.CreateHeader(&zip.FileHeader{Name: exportName(m), Method: zip.Store, Modified: time.Now()})
		if err == nil {
			_, err = io.Copy(w, f)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
