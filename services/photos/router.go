package photos

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/services/photos/params"
)

// need says who may make a call.
type need uint8

const (
	anyone need = iota // a token is used where there is one
	app                // any token
	user               // a token of a person
)

// A call is one request to the API with everything that handlers use.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	cfg    *Config
	params *params.Values
	viewer viewer
	base   string // scheme and host of every URL in the answer
	upload *spool // the file of a multipart body; nil: none came

	portraits [2]*spool // as in the table of them
}

// id reads the id in the path.
func (c *call) id() (int64, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, errNotFound
	}
	return id, nil
}

// A handler answers a call with an entity or an error.
type handler func(c *call) (any, error)

// A route is a line of the table of calls.
type route struct {
	method string
	path   string
	need   need
	scope  string // that a token must have; empty: none in particular
	files  bool   // takes a file
	do     handler
}

// endpoints are the routes of one path, by method.
type endpoints map[string]route

// newMux makes the mux of a table. All other paths get a JSON 404.
func (p *Photos) newMux(table []route) *http.ServeMux {
	byPath := map[string]endpoints{}
	for _, r := range table {
		if byPath[r.path] == nil {
			byPath[r.path] = endpoints{}
		}
		byPath[r.path][r.method] = r
	}
	mux := http.NewServeMux()
	for path, e := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { p.serveCall(w, r, e) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		err := p.limited(w, r, p.config.Load(), viewer{})
		if err == nil {
			err = errNotFound
		}
		p.writeProblem(w, r, err)
	})
	return mux
}

func (e endpoints) allow() string {
	var methods []string
	for m := range e {
		methods = append(methods, m)
		if m == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// serveCall does what all calls have in common.
func (p *Photos) serveCall(w http.ResponseWriter, r *http.Request, e endpoints) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	cfg := p.config.Load()
	rt, ok := e[method]
	if !ok {
		err := p.limited(w, r, cfg, viewer{})
		if err == nil {
			w.Header().Set("Allow", e.allow())
			err = fail(http.StatusMethodNotAllowed, "%s is not allowed here", r.Method)
		}
		p.writeProblem(w, r, err)
		return
	}
	c := &call{w: w, r: r, cfg: cfg, base: baseOf(cfg.PublicURL, r)}
	body, err := p.runCall(c, rt)
	if err != nil {
		p.writeProblem(w, r, err)
		return
	}
	switch a := body.(type) {
	case answer:
		writeJSON(w, a.status, a.body)
	case written:
	default:
		writeJSON(w, http.StatusOK, body)
	}
}

// An answer is what a handler returns whose status is not 200.
type answer struct {
	status int
	body   any
}

// written is what a handler returns that has answered itself.
type written struct{}

func (p *Photos) runCall(c *call, rt route) (any, error) {
	var err error
	c.viewer, err = p.authorize(c.r, rt.need, rt.scope)
	if limitErr := p.limited(c.w, c.r, c.cfg, c.viewer); limitErr != nil {
		return nil, limitErr
	}
	if err != nil {
		return nil, err // before the body is read
	}
	var file params.FileFunc
	if rt.files {
		if err := p.uploads.enter(c.viewer.user.ID); err != nil {
			return nil, err
		}
		defer p.uploads.leave(c.viewer.user.ID)
		file = p.spoolFile(c)
		defer func() {
			for _, f := range append(c.portraits[:], c.upload) {
				f.close()
			}
		}()
	}
	c.params, err = params.Read(c.w, c.r, int64(c.cfg.MaxUpload)+params.MaxText, file)
	if rt.files && errors.Is(err, params.ErrTooLarge) {
		err = tooLarge(c.cfg)
	}
	if err != nil {
		return nil, err
	}
	return rt.do(c)
}

// tidy removes slashes at the end and in a row from the paths of the API, where
// clients put them; a redirect would cost a POST its body.
func tidy(r *http.Request) *http.Request {
	clean := path.Clean(r.URL.Path)
	if clean == r.URL.Path {
		return r
	}
	r2, u := *r, *r.URL
	u.Path, u.RawPath = clean, ""
	r2.URL = &u
	return &r2
}

// writeJSON answers with body, which no cache may keep: what it says depends on
// who asks.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"error":"the answer cannot be written"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Authorization")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that left is nobody's error
}

// cors lets pages from anywhere use the API with a token; cookies are never
// read there, so there is nothing that they could abuse.
func cors(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Link, Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset")
}

// preflight answers OPTIONS (Fetch standard, CORS-preflight), after cors.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	} else {
		h.Set("Access-Control-Allow-Headers", "*")
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}
