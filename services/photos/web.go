package photos

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// web is the page: everything is rendered here, and reading needs no script.
type web struct {
	p      *Photos
	tmpl   *template.Template
	assets assets
	mux    *http.ServeMux
	cookie string
}

// newWeb has all pages; it panics where the embedded files are broken, which a test would notice.
func (p *Photos) newWeb() *web {
	a, err := readAssets()
	if err != nil {
		panic(err)
	}
	wb := &web{p: p, assets: a, tmpl: template.Must(parseTemplates(a)), mux: http.NewServeMux(), cookie: "portico_photos_" + p.name}
	for pattern, do := range map[string]func(*visit) error{
		"GET /{$}":                wb.feed,
		"GET /{who}":              wb.profile,
		"GET /{who}/{id}":         wb.post,
		"POST /{who}/{id}/delete": wb.remove,
		"GET /login":              func(v *visit) error { return v.show("login.html", page{Heading: "Sign in"}) },
		"POST /login":             wb.signIn,
		"GET /signup":             func(v *visit) error { return v.show("signup.html", page{Heading: "Sign up"}) },
		"POST /signup":            wb.signUp,
		"POST /logout":            wb.signOut,
		"GET /upload":             wb.uploadForm,
		"POST /upload":            wb.upload,
		"/":                       func(*visit) error { return errNoPage },
	} {
		wb.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { wb.serve(w, r, do) })
	}
	wb.mux.HandleFunc("GET "+assetRoot+"{name}", func(w http.ResponseWriter, r *http.Request) {
		if !a.serve(w, r) {
			wb.serve(w, r, func(*visit) error { return errNoPage })
		}
	})
	return wb
}

func (wb *web) ServeHTTP(w http.ResponseWriter, r *http.Request) { wb.mux.ServeHTTP(w, r) }

var (
	errNoPage = fail(http.StatusNotFound, "There is no such page.")
	errOrigin = fail(http.StatusForbidden, "This form was sent from another site.")
)

// contentPolicy lets the page load its own files and nothing else.
const contentPolicy = "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A visit is one request to the page.
type visit struct {
	*web
	w      http.ResponseWriter
	r      *http.Request
	cfg    *Config
	viewer viewer
}

// A page is what the templates show.
type page struct {
	Site, Heading, Problem, Preview string
	Me                              *account.User
	CanSignUp, NeedsInvite          bool

	Username string // entered before
	Profile  *entity.Account
	Statuses []entity.Status
	Older    string
	Upload   uploadForm
	Status   *entity.Status
	Mine     bool

	Consent *consent
}

// uploadForm is what the form says about its limits.
type uploadForm struct {
	Key                                     string
	MaxUpload                               string
	MaxPictures, MaxCaption, MaxDescription int
}

func (wb *web) serve(w http.ResponseWriter, r *http.Request, do func(*visit) error) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	v := &visit{web: wb, w: w, r: r, cfg: wb.p.config.Load()}
	err := v.begin()
	if err == nil {
		err = do(v)
	}
	if err != nil {
		v.showProblem("problem.html", page{}, err)
	}
}

// begin finds out who visits, and refuses writes that another site had the
// browser send.
func (v *visit) begin() error {
	if c, err := v.r.Cookie(v.cookie); err == nil {
		v.viewer, err = v.p.verify(v.r.Context(), c.Value)
		if errors.Is(err, account.ErrToken) || errors.Is(err, account.ErrSuspended) {
			v.setCookie("", -1)
		} else if err != nil {
			return err
		}
	}
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		return nil
	}
	return v.checkOrigin()
}

// checkOrigin wants every write to come from a page of this service. Browsers
// say where a form comes from; who says nothing is refused.
func (v *visit) checkOrigin() error {
	if v.r.Header.Get("Sec-Fetch-Site") == "" && v.r.Header.Get("Origin") == "" {
		return errOrigin
	}
	check := http.NewCrossOriginProtection()
	if v.cfg.PublicURL != "" {
		if err := check.AddTrustedOrigin(strings.TrimSuffix(v.cfg.PublicURL, "/")); err != nil {
			return fmt.Errorf("trust public_url: %w", err)
		}
	}
	if check.Check(v.r) != nil {
		return errOrigin
	}
	return nil
}

// setCookie keeps token in the browser for maxAge seconds.
func (v *visit) setCookie(token string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.cookie, Value: token, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(baseOf(v.cfg.PublicURL, v.r), "https:"),
	})
}

func (v *visit) show(name string, pg page) error { return v.write(http.StatusOK, name, pg) }

// showProblem shows the page again with what was wrong.
func (v *visit) showProblem(name string, pg page, err error) {
	pr, unexpected := problemOf(err)
	if unexpected {
		v.p.log.Error().Err(err).Str("method", v.r.Method).Str("path", v.r.URL.Path).Msg("page failed")
	}
	pr.setRetry(v.w.Header())
	pg.Problem = strings.TrimPrefix(pr.body.Error, "Validation failed: ")
	if err := v.write(pr.status, name, pg); err != nil {
		v.p.log.Error().Err(err).Msg("page of a problem failed")
	}
}

func (v *visit) write(status int, name string, pg page) error {
	pg.Site = v.cfg.Title
	if v.viewer.signedIn() {
		pg.Me = &v.viewer.user
	}
	reg := v.p.people.Registration()
	pg.CanSignUp, pg.NeedsInvite = reg != account.Closed, reg == account.ByCode
	pg.Upload = uploadForm{
		Key: rand.Text(), MaxUpload: sizeText(int64(v.cfg.MaxUpload)), MaxPictures: maxPictures,
		MaxCaption: v.cfg.Limits.Caption, MaxDescription: v.cfg.Limits.Description,
	}
	var b bytes.Buffer
	if err := v.tmpl.ExecuteTemplate(&b, name, pg); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // a client that left is nobody's error
	return nil
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	if n%(1<<20) != 0 {
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n>>20, 10) + " MiB"
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// renderer makes entities with URLs relative to the page, so that it works under
// every name that the service has.
func (v *visit) renderer() *renderer { return v.p.renderer(v.r, "", v.viewer) }

func (wb *web) feed(v *visit) error {
	return v.list(page{}, store.Feed{Visibilities: []store.Visibility{store.Public}})
}

// webPage is how many posts a page of the grid shows: whole rows of three.
const webPage = 30

// list shows a grid of posts.
func (v *visit) list(pg page, f store.Feed) error {
	f.Page = store.Page{Limit: webPage}
	if s := v.r.URL.Query().Get("max_id"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return errNoPage
		}
		f.Max = n
	}
	list, err := v.p.store.Feed(v.r.Context(), f)
	if err != nil {
		return err
	}
	if pg.Statuses, err = v.renderer().statuses(list); err != nil {
		return err
	}
	if len(list) == webPage {
		pg.Older = v.r.URL.Path + "?" + url.Values{"max_id": {strconv.FormatInt(list[webPage-1].ID, 10)}}.Encode()
	}
	return v.show("feed.html", pg)
}

// who is the person that a path like /@ann names.
func (v *visit) who() (account.User, error) {
	name, found := strings.CutPrefix(v.r.PathValue("who"), "@")
	if !found {
		return account.User{}, errNoPage
	}
	u, err := v.p.people.UserByName(v.r.Context(), name)
	if errors.Is(err, account.ErrNotFound) || err == nil && v.viewer.knows(u).gone {
		return u, errNoPage
	}
	return u, err
}

func (wb *web) profile(v *visit) error {
	u, err := v.who()
	if err != nil {
		return err
	}
	a, err := v.renderer().account(u)
	if err != nil {
		return err
	}
	rel, err := v.p.relation(v.r.Context(), v.viewer, u)
	if err != nil {
		return err
	}
	return v.list(page{Heading: a.DisplayName, Profile: &a}, store.Feed{Authors: []int64{u.ID}, Visibilities: visible(rel)})
}

// status is the post that a path like /@ann/1 names.
func (v *visit) status() (store.Status, entity.Status, error) {
	u, err := v.who()
	if err != nil {
		return store.Status{}, entity.Status{}, err
	}
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Status{}, entity.Status{}, errNoPage
	}
	s, err := v.p.store.Status(v.r.Context(), id)
	if err == nil && s.Author != u.ID {
		err = store.ErrNotFound
	}
	var e entity.Status
	if err == nil {
		e, err = v.renderer().status(s)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = errNoPage
	}
	return s, e, err
}

func (wb *web) post(v *visit) error {
	s, e, err := v.status()
	if err != nil {
		return err
	}
	pg := page{Heading: e.Account.DisplayName, Status: &e, Mine: s.Author == v.viewer.user.ID}
	if len(e.Media) > 0 && !s.Sensitive && forEverybody(s.Visibility) {
		pg.Preview = baseOf(v.cfg.PublicURL, v.r) + *e.Media[0].PreviewURL
	}
	return v.show("post.html", pg)
}

func (wb *web) remove(v *visit) error {
	s, _, err := v.status()
	if err != nil {
		return err
	}
	if !v.viewer.signedIn() || s.Author != v.viewer.user.ID {
		return errNoPage
	}
	if _, err := v.p.store.DeleteStatus(v.r.Context(), s.ID, s.Author, false); err != nil {
		return err
	}
	v.p.discard(s.Media...)
	return v.redirect("/@" + v.viewer.user.Username)
}
