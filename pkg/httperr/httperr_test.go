package httperr_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/porticod/portico/pkg/httperr"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		accept, kind, body, retry string
		status                    int
	}{
		{"", "text/plain; charset=utf-8", "502 Bad Gateway: \"it\" failed\n", "", 502},
		{"text/html", "text/plain; charset=utf-8", "503 Service Unavailable: \"it\" failed\n", "1", 503},
		{"application/json, */*", "application/json; charset=utf-8", `{"error":{"code":"broken","message":"\"it\" failed"}}` + "\n", "", 502},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		httperr.Write(w, r, c.status, "broken", `"it" failed`)
		h := w.Header()
		if w.Code != c.status || w.Body.String() != c.body || h.Get("Content-Type") != c.kind || h.Get("Retry-After") != c.retry {
			t.Errorf("%q: %d %v %q", c.accept, w.Code, h, w.Body)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", h)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Retry-After", "60")
	httperr.Write(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), 503, "later", "later")
	if got := w.Header().Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After: %s", got)
	}
}
