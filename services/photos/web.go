package photos

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// web is the page: everything is rendered here. Reading needs no script, nor does
// whatever a form can do.
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
	for pattern, do := range wb.table() {
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

// table has all pages and forms.
func (wb *web) table() map[string]func(*visit) error {
	return map[string]func(*visit) error{
		"GET /{$}":               wb.home,
		"GET /explore":           wb.explore,
		"GET /{who}":             wb.profile,
		"GET /{who}/{id}":        wb.below,
		"GET /{who}/{id}/{part}": wb.belowThat,
		"GET /notifications":     signedIn(wb.notifications),
		"GET /search":            wb.search,
		"GET /likes":             signedIn(wb.likes),
		"GET /bookmarks":         signedIn(wb.bookmarks),
		"GET /settings":          signedIn(wb.settings),
		"GET /settings/people":   signedIn(wb.peopleSettings),
		"GET /settings/devices":  signedIn(wb.devices),
		"GET /settings/albums":   signedIn(wb.albumSettings),
		"GET /export":            signedIn(wb.export),
		"GET /report":            signedIn(wb.reportForm),
		"GET /operate":           signedIn(wb.operate),
		"GET /upload":            signedIn(wb.uploadForm),
		"POST /upload":           wb.upload,
		"POST /story":            wb.uploadStory,
		"POST /settings":         signedIn(wb.saveSettings),
		"POST /settings/avatar":  signedIn(wb.saveAvatar),
		"POST /do/{action}":      wb.act,
		"GET /login":             func(v *visit) error { return v.show("login.html", page{Heading: "Sign in"}) },
		"POST /login":            wb.signIn,
		"GET /signup":            func(v *visit) error { return v.show("signup.html", page{Heading: "Sign up"}) },
		"POST /signup":           wb.signUp,
		"POST /logout":           wb.signOut,
		"/":                      func(*visit) error { return errNoPage },
	}
}

// below has what lies below a person, and two more trees: patterns of the mux
// could not tell them apart.
func (wb *web) below(v *visit) error {
	switch who, id := v.r.PathValue("who"), v.r.PathValue("id"); {
	case who == "tags":
		return wb.tag(v)
	case who == "stories":
		return wb.story(v)
	case id == "followers":
		return wb.followers(v)
	case id == "following":
		return wb.following(v)
	case id == "albums":
		return wb.albumList(v)
	}
	return wb.post(v)
}

// belowThat has /@ann/albums/ID and /@ann/ID/likes.
func (wb *web) belowThat(v *visit) error {
	switch id, part := v.r.PathValue("id"), v.r.PathValue("part"); {
	case id == "albums":
		v.r.SetPathValue("id", part)
		return wb.album(v)
	case part == "likes":
		return wb.likedBy(v)
	}
	return errNoPage
}

// signedIn sends who is not to the page where one signs in.
func signedIn(do func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if !v.viewer.signedIn() {
			return v.redirect("/login")
		}
		return do(v)
	}
}

var (
	errNoPage = fail(http.StatusNotFound, "There is no such page.")
	errOrigin = fail(http.StatusForbidden, "This form was sent from another site.")
)

// contentPolicy lets the page load its own files and nothing else. Placeholders
// of pictures are data.
const contentPolicy = "default-src 'none'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
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
	Nav                             string // where in the bar one is
	Path                            string // of this page, with its query
	Me                              *entity.Account
	Operator                        bool
	Unread                          int64 // notifications
	CanSignUp, NeedsInvite          bool
	ChatURL                         string // empty: no chat is known

	Username string   // entered before
	Consent  *consent // of an app that asks to be let in
	Older    string   // the next page
	Upload   uploadForm

	Cards   []card // posts in full
	Tiles   []card // posts in a grid
	Tray    []entity.StoryGroup
	People  []personRow
	Data    any // what only one page has
	Welcome bool
}

// uploadForm is what the form says about its limits.
type uploadForm struct {
	Key                                     string
	MaxUpload                               string
	MaxPictures, MaxCaption, MaxDescription int
	Privacy                                 string // of posts that name none
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
	pg.Site, pg.Path, pg.ChatURL = v.cfg.Title, v.r.URL.RequestURI(), strings.TrimSuffix(v.cfg.ChatURL, "/")
	if v.r.Method != http.MethodGet {
		pg.Path = "/"
	}
	if err := v.addViewer(&pg); err != nil {
		return err
	}
	reg := v.p.people.Registration()
	pg.CanSignUp, pg.NeedsInvite = reg != account.Closed, reg == account.ByCode
	var b bytes.Buffer
	if err := v.tmpl.ExecuteTemplate(&b, name, &pg); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // a client that left is nobody's error
	return nil
}

// addViewer adds what every page shows to who is signed in.
func (v *visit) addViewer(pg *page) error {
	pg.Upload = uploadForm{
		Key: rand.Text(), MaxUpload: sizeText(int64(v.cfg.MaxUpload)), MaxPictures: maxPictures,
		MaxCaption: v.cfg.Limits.Caption, MaxDescription: v.cfg.Limits.Description, Privacy: store.Public.String(),
	}
	if !v.viewer.signedIn() || pg.Consent != nil {
		return nil
	}
	ctx, me := v.r.Context(), v.viewer.user
	prof, err := v.p.store.Profile(ctx, me.ID)
	if err != nil {
		return err
	}
	pg.Me = new(v.renderer().accountWith(me, prof))
	pg.Operator, pg.Upload.Privacy = me.Role == account.RoleAdmin, prof.Privacy.String()
	pg.Unread, err = v.unread(ctx)
	return err
}

// shownUnread is how many notifications the bar counts.
const shownUnread = 99

// unread is how many notifications came since the person looked last.
func (v *visit) unread(ctx context.Context) (int64, error) {
	markers, err := v.p.store.Markers(ctx, v.viewer.user.ID)
	if err != nil {
		return 0, err
	}
	f := store.NoticeFeed{User: v.viewer.user.ID, Exclude: v.viewer.blocks.All(), Page: store.Page{Limit: shownUnread}}
	for _, m := range markers {
		if m.Timeline == "notifications" {
			f.Since = m.LastRead
		}
	}
	return v.p.store.CountNotices(ctx, f)
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

// call is what handlers of the API take, for a form of the page.
func (v *visit) call() *call {
	return &call{w: v.w, r: v.r, cfg: v.cfg, params: &noParams, viewer: v.viewer}
}
