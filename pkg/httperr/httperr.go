// Package httperr writes the errors of the front door, which look the same
// whoever writes them. It decides nothing and logs nothing.
package httperr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Write answers with one line of text, or with {"error":{"code","message"}}
// where the client accepts application/json. A 503 without Retry-After gets one
// of a second.
func Write(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		h.Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%d %s: %s\n", status, http.StatusText(status), message)
}
