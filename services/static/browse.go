package static

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxList is how many entries of a folder are listed; the list says so where
// there are more.
const maxList = 10_000

//go:embed browse.html
var browseHTML string

var browsePage = template.Must(template.New("browse").Parse(browseHTML))

// listing is a folder as it is shown; the JSON names are part of the interface.
type listing struct {
	Path      string  `json:"path"`
	Truncated bool    `json:"truncated,omitempty"`
	Entries   []entry `json:"entries"`
}

type entry struct {
	Name     string    `json:"name"`
	Folder   bool      `json:"folder,omitempty"`
	Size     int64     `json:"size"` // bytes; 0 for folders
	Modified time.Time `json:"modified"`
}

// Href is relative, and never taken for a scheme or a host.
func (e entry) Href() string {
	return (&url.URL{Path: "./" + e.Name + slashIf(e.Folder)}).String()
}

// Human is the size for people.
func (e entry) Human() string {
	if e.Folder {
		return ""
	}
	size, unit := float64(e.Size), 0
	for size >= 1024 && unit < 4 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return strconv.FormatInt(e.Size, 10) + " B"
	}
	return fmt.Sprintf("%.1f %ciB", size, " KMGT"[unit])
}

// Root says whether there is a folder above that may be shown.
func (l listing) Root() bool { return l.Path == "/" }

// list answers with the entries of a folder.
func (q *request) list(name string, dir *os.File) error {
	l, err := q.read(name, dir)
	if err != nil {
		return fmt.Errorf("list the folder: %w", err)
	}
	var body bytes.Buffer
	h := q.w.Header()
	h.Add("Vary", "Accept")
	h.Set("Cache-Control", "no-cache")
	if strings.Contains(q.r.Header.Get("Accept"), "application/json") {
		h.Set("Content-Type", "application/json")
		err = json.NewEncoder(&body).Encode(l)
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
		err = browsePage.Execute(&body, l)
	}
	if err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write(body.Bytes())
	}
	return nil
}

func (q *request) read(name string, dir *os.File) (listing, error) {
	l := listing{Path: urlPath(name, true), Entries: []entry{}}
	names, err := dir.Readdirnames(maxList + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return l, err
	}
	if len(names) > maxList {
		names, l.Truncated = names[:maxList], true
	}
	for _, n := range names {
		if !servable(n) {
			continue
		}
		// Stat through the root follows links inside of it and no others, so the
		// list shows what can be had.
		fi, err := q.root.Stat(path.Join(name, n))
		if err != nil || !fi.Mode().IsRegular() && !fi.IsDir() {
			continue
		}
		e := entry{Name: n, Folder: fi.IsDir(), Modified: fi.ModTime().UTC().Truncate(time.Second)}
		if !e.Folder {
			e.Size = fi.Size()
		}
		l.Entries = append(l.Entries, e)
	}
	slices.SortFunc(l.Entries, func(a, b entry) int {
		if a.Folder != b.Folder {
			return strings.Compare(slashIf(b.Folder), slashIf(a.Folder))
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return l, nil
}
