package photos

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/params"
)

// authorizePath is the page on which people let an app in. It is the one page
// below /oauth; it has no script, because it must work in the views that apps
// open, and nothing may frame it.
const authorizePath = "/oauth/authorize"

// outOfBand is the redirect URI of apps that cannot be redirected to: people
// copy the code.
const outOfBand = "urn:ietf:wg:oauth:2.0:oob"

// authorizePolicy has no form-action: browsers would apply it to the redirect to
// the app too.
const authorizePolicy = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// An authorization is the page, with what it signs its forms with.
type authorization struct {
	web *web
	key []byte
}

func (p *Photos) newAuthorization(key []byte) http.Handler {
	return &authorization{web: p.pages, key: key}
}

// An ask is what an app asks for.
type ask struct {
	ClientID, RedirectURI, ResponseType, Scope, State string
	Challenge, ChallengeMethod, ForceLogin            string

	app    account.App
	scopes string // that it would get
	force  bool   // wants a password
}

// consent is what the page shows of an ask.
type consent struct {
	Ask    ask
	App    string
	Site   string // of the app; empty: none
	Scopes []scopeText
	CSRF   string
	Code   string // to copy; empty: not yet
}

func (a *authorization) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", authorizePolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address has the state
	h.Set("Cache-Control", "no-store")
	v := &visit{web: a.web, w: w, r: r, cfg: a.web.p.config.Load()}
	err := a.web.p.limited(w, r, v.cfg, viewer{})
	if err == nil {
		err = a.serve(v)
	}
	if err != nil {
		v.showProblem("problem.html", page{Heading: "Sign in to an app", Consent: &consent{}}, err)
	}
}

func (a *authorization) serve(v *visit) error {
	switch v.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		v.w.Header().Set("Allow", "GET, HEAD, POST")
		return fail(http.StatusMethodNotAllowed, "%s is not allowed here", v.r.Method)
	}
	if err := v.recognize(); err != nil {
		return err
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	q, err := a.web.p.readAsk(v.r, form)
	if err != nil {
		return err // never to an address that may be somebody else's
	}
	if code, text := q.check(); code != "" {
		return v.answerApp(q, url.Values{"error": {code}, "error_description": {text}})
	}
	if v.r.Method != http.MethodPost {
		return a.show(v, q, nil)
	}
	return a.decide(v, q, form)
}

// readAsk reads which app asks, and where it wants the answer: both must be as
// they were registered.
func (p *Photos) readAsk(r *http.Request, form *params.Values) (q ask, err error) {
	q = ask{
		ClientID: form.String("client_id"), RedirectURI: form.String("redirect_uri"), ResponseType: form.String("response_type"),
		Scope: form.String("scope"), State: form.String("state"), ForceLogin: form.String("force_login"),
		Challenge: form.String("code_challenge"), ChallengeMethod: form.String("code_challenge_method"),
	}
	q.force = form.Bool(false, "force_login")
	q.app, err = p.people.App(r.Context(), p.label, q.ClientID)
	if errors.Is(err, account.ErrApp) {
		return q, fail(http.StatusUnauthorized, "The app that sent you here is not known. Sign in from the app again; it may have to be set up anew.")
	}
	if err != nil {
		return q, err
	}
	if !slices.Contains(q.app.RedirectURIs, q.RedirectURI) {
		return q, fail(http.StatusBadRequest, "The app that sent you here wants the answer at an address that it did not register.")
	}
	return q, nil
}

// check returns what is wrong with the rest, as RFC 6749, section 4.1.2.1 has
// it, and reads the scopes.
func (q *ask) check() (code, text string) {
	var err error
	q.scopes, err = grantedScopes(q.Scope, q.app.Scopes)
	switch {
	case q.ResponseType != "code":
		return "unsupported_response_type", "The authorization server does not support this response type."
	case err != nil:
		return "invalid_scope", "The requested scope is invalid, unknown, or more than the app was registered with."
	case q.Challenge == "" && q.ChallengeMethod == "":
		return "", ""
	case q.ChallengeMethod != "S256", len(q.Challenge) != 43:
		return "invalid_request", "The code challenge method must be S256."
	}
	return "", ""
}

// recognize finds out who visits by the cookie of the page.
func (v *visit) recognize() error {
	c, err := v.r.Cookie(v.cookie)
	if err != nil {
		return nil
	}
	v.viewer, err = v.p.verify(v.r.Context(), c.Value)
	if errors.Is(err, account.ErrToken) || errors.Is(err, account.ErrSuspended) {
		return nil
	}
	return err
}

// show asks. Who is signed in need not enter a password, unless the app wants so.
func (a *authorization) show(v *visit, q ask, problem error) error {
	pg := page{Heading: "Let " + q.app.Name + " in?", Consent: &consent{
		Ask: q, App: q.app.Name, Site: q.app.Website, Scopes: explain(q.scopes), CSRF: a.csrf(v),
	}}
	if !v.mustSignIn(q) {
		pg.Username = v.viewer.user.Username
	}
	if problem != nil {
		v.showProblem("authorize.html", pg, problem)
		return nil
	}
	return v.show("authorize.html", pg)
}

func (v *visit) mustSignIn(q ask) bool { return q.force || !v.viewer.signedIn() }

// decide acts on the form: it was really ours, and the person said yes.
func (a *authorization) decide(v *visit, q ask, form *params.Values) error {
	if site := v.r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || !a.csrfHolds(v, form.String("csrf")) {
		return a.show(v, q, fail(http.StatusForbidden, "This form has expired or was sent from another site. Please try again."))
	}
	if !form.Bool(false, "allow") {
		return v.answerApp(q, url.Values{"error": {"access_denied"}, "error_description": {"The resource owner or authorization server denied the request."}})
	}
	u := v.viewer.user
	if v.mustSignIn(q) || form.String("username") != "" {
		var err error
		u, err = v.p.people.SignIn(v.r.Context(), form.String("username"), form.String("password"), peer(v.r))
		if err != nil {
			return a.show(v, q, err)
		}
	}
	code, err := v.p.people.NewCode(v.r.Context(), account.Code{
		UserID: u.ID, AppID: q.app.ID, Service: v.p.label, Scopes: q.scopes, RedirectURI: q.RedirectURI,
		Challenge: q.Challenge, Generation: u.Generation,
	})
	if err != nil {
		return a.show(v, q, formError(err))
	}
	if q.RedirectURI == outOfBand {
		return v.show("code.html", page{Heading: "Your code", Consent: &consent{App: q.app.Name, Code: code}})
	}
	return v.answerApp(q, url.Values{"code": {code}})
}

// answerApp sends the browser back to the app. Its address is used as it was
// registered; one without a way back gets a page.
func (v *visit) answerApp(q ask, answer url.Values) error {
	if q.RedirectURI == outOfBand {
		return fail(http.StatusBadRequest, "%s", answer.Get("error_description"))
	}
	if q.State != "" {
		answer.Set("state", q.State)
	}
	sep := "?"
	if strings.Contains(q.RedirectURI, "?") {
		sep = "&"
	}
	v.w.Header().Set("Location", q.RedirectURI+sep+answer.Encode())
	v.w.WriteHeader(http.StatusFound)
	return nil
}

// csrf returns what the form must send back: the MAC of a random cookie, which
// another site can neither read nor set.
func (a *authorization) csrf(v *visit) string {
	c, err := v.r.Cookie(v.csrfCookie())
	if err != nil || len(c.Value) != csrfLength {
		c = &http.Cookie{
			Name: v.csrfCookie(), Value: rand.Text(), Path: authorizePath, HttpOnly: true, SameSite: http.SameSiteLaxMode,
			Secure: strings.HasPrefix(baseOf(v.cfg.PublicURL, v.r), "https:"),
		}
		http.SetCookie(v.w, c)
	}
	return a.mac(c.Value)
}

const csrfLength = 26 // of rand.Text

func (v *visit) csrfCookie() string { return v.cookie + "_form" }

func (a *authorization) csrfHolds(v *visit, sent string) bool {
	c, err := v.r.Cookie(v.csrfCookie())
	return err == nil && len(c.Value) == csrfLength && hmac.Equal([]byte(sent), []byte(a.mac(c.Value)))
}

func (a *authorization) mac(value string) string {
	h := hmac.New(sha256.New, a.key)
	h.Write([]byte("authorize " + value))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
