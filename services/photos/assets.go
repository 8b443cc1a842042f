package photos

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/entity"
)

//go:embed web
var webFiles embed.FS

// Pictures of those who have none of their own.
const (
	assetRoot  = "/assets/"
	avatarPath = assetRoot + "avatar.png"
	headerPath = assetRoot + "header.png"
)

// assets are the files of the page; the URL that a page links names the version,
// so that browsers keep it for good.
type assets struct {
	byName map[string]asset
}

type asset struct {
	data []byte
	hash string
}

func readAssets() (assets, error) {
	entries, err := webFiles.ReadDir("web/assets")
	if err != nil {
		return assets{}, err
	}
	a := assets{byName: map[string]asset{}}
	for _, e := range entries {
		data, err := webFiles.ReadFile("web/assets/" + e.Name())
		if err != nil {
			return assets{}, err
		}
		sum := sha256.Sum256(data)
		a.byName[e.Name()] = asset{data, hex.EncodeToString(sum[:6])}
	}
	return a, nil
}

// url is where a page finds an asset.
func (a assets) url(name string) (string, error) {
	f, ok := a.byName[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return assetRoot + name + "?v=" + f.hash, nil
}

func (a assets) serve(w http.ResponseWriter, r *http.Request) bool {
	name := r.PathValue("name")
	f, ok := a.byName[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	h.Set("ETag", `"`+f.hash+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // apps show avatars
	h.Set("Access-Control-Allow-Origin", "*")
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "public, max-age=3600")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
	return true
}

func parseTemplates(a assets) (*template.Template, error) {
	funcs := template.FuncMap{
		"asset": a.url,
		// What toHTML made is escaped already.
		"safe":     func(s string) template.HTML { return template.HTML(s) }, //nolint:gosec
		"srcset":   srcset,
		"large":    large,
		"date":     func(t entity.Time) string { return time.Time(t).UTC().Format("2 January 2006") },
		"datetime": func(t entity.Time) string { return time.Time(t).UTC().Format(time.RFC3339) },
	}
	return template.New("").Funcs(funcs).ParseFS(webFiles, "web/*.html")
}

// srcset lists the sizes of a picture, and the original where it is small.
func srcset(m entity.Media) string {
	var parts []string
	for _, s := range m.Sizes {
		parts = append(parts, s.URL+" "+strconv.Itoa(s.Width)+"w")
	}
	return strings.Join(parts, ", ")
}

// large is the URL for browsers without srcset.
func large(m entity.Media) string {
	if n := len(m.Sizes); n > 0 {
		return m.Sizes[n-1].URL
	}
	return *m.URL
}
