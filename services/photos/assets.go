package photos

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"time"
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
