package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

const (
	pageSize    = 100  // pictures of a page where the client does not say
	maxPageSize = 1000 // pictures of a page at most
	maxFolders  = 1000 // folders that are listed
	// maxLooked is how many files are looked into for one page. A folder of
	// other files gives short pages with a next one.
	maxLooked = 5000
	// patience is how long a list waits for blurhashes that are not known yet.
	patience = 250 * time.Millisecond
	// maxPrepared is how many of them one list has made.
	maxPrepared = 200
)

//go:embed folder.html
var folderHTML string

//go:embed folder.js
var folderJS string

var (
	folderPage = template.Must(template.New("folder").Funcs(template.FuncMap{
		"script": func() template.JS { return template.JS(folderJS) }, //nolint:gosec // embedded
	}).Parse(folderHTML))
	// folderPolicy allows the one script of the page by what it is.
	folderPolicy = func() string {
		sum := sha256.Sum256([]byte(folderJS))
		return "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	}()
)

// page is a folder as it is shown; the JSON names are part of the interface.
type page struct {
	Title    string `json:"-"`
	Path     string `json:"path"`
	Folders  []link `json:"folders"`
	Pictures []item `json:"pictures"`
	// Next is the address of the next page; null after the last one.
	Next *string `json:"next"`
	Prev string  `json:"-"` // of the page before; empty on the first
}

// Heading is the name of the folder; the root's is the service's.
func (p page) Heading() string {
	if p.Path == "/" {
		return p.Title
	}
	return path.Base(p.Path)
}

// Crumbs are the folders on the way here, the root first, with addresses
// relative to this one.
func (p page) Crumbs() (out []link) {
	names := strings.Split(strings.Trim(p.Path, "/"), "/")
	if p.Path == "/" {
		names = nil
	}
	out = append(out, link{p.Title, "./" + strings.Repeat("../", len(names))})
	for i, n := range names {
		out = append(out, link{n, "./" + strings.Repeat("../", len(names)-1-i)})
	}
	return out
}

type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// item is a picture of a list. Addresses change when the picture does, so what
// they answer may be kept for ever.
type item struct {
	Name     string            `json:"name"`
	Size     int64             `json:"size"` // bytes
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Type     string            `json:"type"`
	Modified time.Time         `json:"modified"`
	Blurhash *string           `json:"blurhash"` // null until it was made
	URL      string            `json:"url"`
	Sizes    map[string]string `json:"sizes"` // by width

	Blur  template.CSS `json:"-"` // what is painted before the picture is there
	id    ident
	steps []int // widths of Sizes
}

// Grow is the share of a row that the picture takes.
func (i item) Grow() string { return strconv.FormatFloat(i.ratio(), 'f', 3, 64) }

// Basis is the width in pixels that the picture has before the row is filled.
func (i item) Basis() string { return strconv.FormatFloat(i.ratio()*200, 'f', 0, 64) }

func (i item) ratio() float64 { return min(max(float64(i.Width)/float64(i.Height), 0.4), 4) }

// Thumb is the smallest version that looks good in the page.
func (i item) Thumb() string { return i.Sizes[strconv.Itoa(i.steps[0])] }

// SrcSet lists the versions for the browser to choose from.
func (p page) SrcSet(i item) string {
	var parts []string
	for _, w := range i.steps {
		if w > 1100 && len(parts) > 0 {
			break
		}
		parts = append(parts, p.Version(i.Sizes[strconv.Itoa(w)])+" "+strconv.Itoa(w)+"w")
	}
	return strings.Join(parts, ", ")
}

// Version is the address of a version in the format that the browser likes best.
func (p page) Version(u string) string { return p.Local(u) + "&fmt=auto" }

// Local is an address of the folder as one relative to it, so that the page is
// right behind a proxy that cuts a prefix off.
func (p page) Local(u string) string { return "./" + strings.TrimPrefix(u, escape(p.Path)) }

// folder answers with the page of a folder.
func (s *Service) folder(w http.ResponseWriter, r *http.Request, cfg *Config, root *os.Root, name string) error {
	query := r.URL.Query()
	limit := pageSize
	if v := query.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPageSize {
			return badRequest("limit must be a whole number from 1 to %d", maxPageSize)
		}
		limit = n
	}
	asJSON := strings.Contains(r.Header.Get("Accept"), "application/json")
	p, err := s.list(cfg, root, name, query.Get("after"), limit)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	h := w.Header()
	h.Set("Vary", "Accept")
	h.Set("Cache-Control", "no-cache")
	if asJSON {
		s.blurhashes(r.Context(), name, p)
		h.Set("Content-Type", "application/json")
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false) // addresses that people can copy
		err = enc.Encode(p)
	} else {
		p.Title = s.name
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", folderPolicy)
		err = folderPage.Execute(&body, p)
	}
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	h.Set("ETag", `"`+sumOf(body.Bytes()).String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body.Bytes()))
	return nil
}

// list reads a page of a folder: pictures in the order of their names, from the
// one behind after. The first page has the folders too.
func (s *Service) list(cfg *Config, root *os.Root, name, after string, limit int) (*page, error) {
	l, err := s.listing(root, name)
	if err != nil {
		return nil, err
	}
	p := &page{Path: "/", Folders: []link{}, Pictures: []item{}}
	if name != "." {
		p.Path = "/" + name + "/"
	}
	if after == "" {
		for _, f := range l.folders {
			p.Folders = append(p.Folders, link{f, escape(p.Path + f + "/")})
		}
	}
	first, found := slices.BinarySearch(l.files, after)
	if found {
		first++ // the one after it
	}
	if first > 0 {
		before := ""
		if first > limit {
			before = l.files[first-limit-1]
		}
		p.Prev = p.at(limit, before)
	}
	for i, file := range l.files[first:] {
		if len(p.Pictures) == limit || i == maxLooked {
			next := p.at(limit, l.files[first+i-1])
			p.Next = &next
			break
		}
		if it, ok := s.item(cfg, root, p.Path, path.Join(name, file)); ok {
			p.Pictures = append(p.Pictures, it)
		}
	}
	return p, nil
}

// at is the address of the page behind a name.
func (p *page) at(limit int, after string) string {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if after != "" {
		q.Set("after", after)
	}
	return escape(p.Path) + "?" + q.Encode()
}

// escape makes an address of a path. Commas would end an entry of a srcset.
func escape(p string) string {
	return strings.ReplaceAll((&url.URL{Path: p}).EscapedPath(), ",", "%2C")
}

// item describes a picture; not ok where the file is none or cannot be read.
func (s *Service) item(cfg *Config, root *os.Root, folder, name string) (item, bool) {
	src := s.glance(cfg, name)
	if src == nil {
		var err error
		if src, err = s.look(cfg, root, name); err != nil {
			return item{}, false
		}
	}
	defer src.close()
	f, err := s.facts(cfg, src)
	if err != nil || f.info.Width == 0 {
		return item{}, false
	}
	it := item{
		Name: path.Base(name), Size: src.size, Width: f.info.Width, Height: f.info.Height,
		Type: f.info.Format.MediaType(), Modified: src.mod.UTC(), Sizes: map[string]string{}, id: src.id,
	}
	if f.blurhash != "" {
		it.Blurhash = &f.blurhash
		if !f.info.Alpha { // it would shine through
			it.Blur = template.CSS("background:url(" + f.blur + ") 0/100% 100%") //nolint:gosec // an address of base64
		}
	}
	at := escape(folder + it.Name)
	it.URL = at + "?v=" + src.version
	for _, w := range steps(cfg.Ladder, f.info) {
		it.steps = append(it.steps, w)
		it.Sizes[strconv.Itoa(w)] = fmt.Sprintf("%s?w=%d&v=%s", at, w, src.version)
	}
	return it, true
}

// steps are the widths of the ladder that a picture has, from 320 or so on.
func steps(ladder []int, info picture.Info) (out []int) {
	for i, w := range ladder {
		if w < 320 && i < len(ladder)-1 && info.Width > w {
			continue // for icons, not for thumbnails
		}
		if w >= info.Width {
			return append(out, info.Width)
		}
		out = append(out, w)
	}
	return out
}

// blurhashes has those made that p lacks, and waits for them a little. What is
// not there then is there when the client asks again.
func (s *Service) blurhashes(ctx context.Context, folder string, p *page) {
	var missing []string
	for _, it := range p.Pictures {
		if it.Blurhash == nil && len(missing) < maxPrepared {
			missing = append(missing, path.Join(folder, it.Name))
		}
	}
	if len(missing) == 0 || !s.preparing.CompareAndSwap(false, true) {
		return
	}
	done := make(chan struct{})
	s.work.Go(func() {
		defer close(done)
		defer s.preparing.Store(false)
		s.prepare(missing)
	})
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-done:
	case <-wait.C:
	case <-ctx.Done():
	}
	for i, it := range p.Pictures {
		if f, ok := s.known.GetIfPresent(it.id); ok && f.blurhash != "" {
			p.Pictures[i].Blurhash = &f.blurhash
		}
	}
}

// prepare makes the thumbnails of pictures, and their blurhashes on the way.
func (s *Service) prepare(names []string) {
	cfg := s.cfg.Load()
	root, err := os.OpenRoot(string(cfg.Root))
	if err != nil {
		return // requests say so
	}
	defer root.Close()
	for _, name := range names {
		if s.ctx.Err() != nil {
			return
		}
		src, err := s.look(cfg, root, name)
		if err != nil {
			continue
		}
		f, err := s.facts(cfg, src)
		if err == nil && f.err == nil && f.blurhash == "" {
			spec := wish{w: 320}.spec(f.info, cfg)
			if _, err = s.await(src, spec); errors.Is(err, picture.ErrBusy) {
				src.close()
				return // people come first
			}
		}
		src.close()
	}
}

// await makes a version, whether it is in a cache or not.
func (s *Service) await(src *source, spec picture.Spec) (*object, error) {
	c := s.join(version{src.id, spec}, src.name)
	<-c.done // it ends with the service's context
	return c.obj, c.err
}
