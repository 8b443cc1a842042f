package admin

import (
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"github.com/porticod/portico/pkg/daemon"
)

//go:embed page.html
var pageText string

// servePage shows the status to people. The page has no scripts and nothing
// that changes anything.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	st := s.opts.Status()
	data := struct {
		daemon.Status
		Up time.Duration
	}{st, time.Since(st.Started).Round(time.Second)}
	if err := s.page.Execute(w, data); err != nil {
		s.opts.Log.Debug().Err(err).Msg("the status page was not written to its end")
	}
}

func parsePage() *template.Template { return template.Must(template.New("status").Parse(pageText)) }
