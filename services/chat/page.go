package chat

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed page
var pageFiles embed.FS

// pageTypes are those of the page's files, by what their names end with. They are
// not left to the machine, which may know others.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",

	".webmanifest": "application/manifest+json",
}

// page serves the files of the web page by their names, index.html at the root.
func page(mux *http.ServeMux) {
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		panic("chat: the page is missing") // embedded: a test sees it
	}
	for _, f := range files {
		at := "/" + f.Name()
		if f.Name() == "index.html" {
			at = "/{$}"
		}
		mux.HandleFunc("GET "+at, pageFile(f.Name(), pageTypes[path.Ext(f.Name())]))
	}
}

// policy lets the page run its own files, talk to its own origin, and show what
// is about to be uploaded; nothing else, and nobody may frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func pageFile(name, typ string) http.HandlerFunc {
	body, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic("chat: the page lacks " + name) // embedded: a test sees it
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", typ)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // asked for each time, sent once
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}
