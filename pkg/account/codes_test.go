package account_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

// From RFC 7636, appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "app://callback?x=%41"
)

func (f *fixture) app(service string) account.App {
	f.t.Helper()
	a, _, err := f.CreateApp(f.t.Context(), account.App{Service: service, Name: "App", RedirectURIs: []string{"https://example.org/", callback}, Scopes: "read write"})
	f.no(err)
	return a
}

func (f *fixture) code(u account.User, a account.App, challenge string) string {
	f.t.Helper()
	code, err := f.NewCode(f.t.Context(), account.Code{
		UserID: u.ID, Generation: u.Generation, AppID: a.ID, Service: a.Service, Scopes: "read", RedirectURI: callback, Challenge: challenge,
	})
	f.no(err)
	return code
}

func TestCode(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, app := f.user("ann"), f.app("photos.b")
	for _, pkce := range []bool{true, false} {
		want, verify := challenge, verifier
		if !pkce {
			want, verify = "", ""
		}
		code := f.code(ann, app, want)
		f.restart(account.Closed)
		for name, e := range map[string][4]string{
			"code":        {code + "x", callback, verify},
			"no code":     {"", callback, verify},
			"long code":   {strings.Repeat(code, 1000), callback, verify},
			"address":     {code, "https://example.org/", verify},
			"same in URL": {code, "app://callback?x=A", verify},
			"no address":  {code, "", verify},
			"verifier":    {code, callback, strings.Repeat("x", 43)},
			"plain":       {code, callback, challenge},
		} {
			_, _, err := f.RedeemCode(ctx, app, e[0], e[1], e[2])
			if !errors.Is(err, account.ErrCode) {
				t.Errorf("pkce %v: wrong %s: %v", pkce, name, err)
			}
		}
		if pkce {
			_, _, err := f.RedeemCode(ctx, app, code, callback, "")
			f.is(err, account.ErrCode)
		}
		for _, a := range []account.App{f.app("photos.b"), f.app("photos.c"), {}, {ID: app.ID, Service: "photos.c"}} {
			_, _, err := f.RedeemCode(ctx, a, code, callback, verify)
			f.is(err, account.ErrCode)
		}
		token, s, err := f.RedeemCode(ctx, app, code, callback, verify) // what was wrong does not spoil it
		f.no(err)
		u, got, err := f.Verify(ctx, "photos.b", token)
		f.no(err)
		if u != ann || got != s || s.Scopes != "read" || s.AppID != app.ID || s.Device != "App" || s.UserID != ann.ID {
			t.Fatalf("session %+v of %+v", got, u)
		}
	}
}

func TestCodeTwice(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, app := f.user("ann"), f.app("photos.b")
	other := f.app("photos.b")
	code := f.code(ann, app, challenge)
	token, _, err := f.RedeemCode(ctx, app, code, callback, verifier)
	f.no(err)
	_, _, err = f.Verify(ctx, "photos.b", token)
	f.no(err)
	_, _, err = f.RedeemCode(ctx, other, code, callback, verifier)
	f.is(err, account.ErrCode)
	_, _, err = f.Verify(ctx, "photos.b", token)
	f.no(err) // another app cannot end it
	_, _, err = f.RedeemCode(ctx, app, code, "", "")
	f.is(err, account.ErrCode)
	_, _, err = f.Verify(ctx, "photos.b", token)
	f.is(err, account.ErrToken)
}

func TestCodeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Closed)
		ctx := t.Context()
		ann, app := f.user("ann"), f.app("photos.b")
		late, intime := f.code(ann, app, ""), f.code(ann, app, "")
		time.Sleep(10*time.Minute - time.Second)
		token, _, err := f.RedeemCode(ctx, app, intime, callback, "")
		f.no(err)
		time.Sleep(time.Second)
		_, _, err = f.RedeemCode(ctx, app, late, callback, "")
		f.is(err, account.ErrCode)
		time.Sleep(12 * time.Hour)
		_, _, err = f.RedeemCode(ctx, app, intime, callback, "") // a second use is noticed for a day
		f.is(err, account.ErrCode)
		_, _, err = f.Verify(ctx, "photos.b", token)
		f.is(err, account.ErrToken)

		code := f.code(ann, app, "")
		f.no(f.ResetPassword(ctx, ann.ID, "battery staple"))
		_, _, err = f.RedeemCode(ctx, app, code, callback, "")
		f.is(err, account.ErrCode)
		_, err = f.NewCode(ctx, account.Code{UserID: ann.ID, Generation: ann.Generation, AppID: app.ID, Service: "photos.b", RedirectURI: callback})
		f.is(err, account.ErrCredentials)
	})
}

// TestCodesAndClocks: a code of the future was made by a clock that was ahead. It
// is good for no longer than another.
func TestCodesAndClocks(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, app := f.user("ann"), f.app("photos.b")
	for code, ahead := range map[string]time.Duration{"a little": 5 * time.Minute, "an hour": time.Hour, "years": 12 * 365 * 24 * time.Hour} {
		f.no(f.Close())
		st, err := sqlstore.Open(ctx, filepath.Join(f.dir, "accounts.db"), zerolog.Nop())
		f.no(err)
		f.no(st.AddCode(ctx, account.Code{
			UserID: ann.ID, AppID: app.ID, Service: "photos.b", Scopes: "read", RedirectURI: callback, CreatedAt: time.Now().Add(ahead),
		}, sha256.Sum256([]byte(code)), time.Unix(1, 0), 10))
		f.no(st.Close())
		f.start(account.Closed)
		var want error
		if ahead > 10*time.Minute {
			want = account.ErrCode
		}
		_, _, err = f.RedeemCode(ctx, app, code, callback, "")
		f.is(err, want)
	}
}

func TestInvalidCodes(t *testing.T) {
	f := newFixture(t, account.Closed)
	ann, app := f.user("ann"), f.app("photos.b")
	good := account.Code{UserID: ann.ID, AppID: app.ID, Service: "photos.b", RedirectURI: callback}
	for field, edit := range map[string]func(*account.Code){
		"scope":          func(c *account.Code) { c.Scopes = strings.Repeat("read ", 1000) },
		"redirect_uri":   func(c *account.Code) { c.RedirectURI = "app://callback?x=A" },
		"code_challenge": func(c *account.Code) { c.Challenge = "plain" },
	} {
		c := good
		edit(&c)
		var inv *account.Invalid
		if _, err := f.NewCode(t.Context(), c); !errors.As(err, &inv) || inv.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for name, e := range map[string]struct {
		edit func(*account.Code)
		want error
	}{
		"another service": {func(c *account.Code) { c.Service = "photos.c" }, account.ErrApp},
		"unknown app":     {func(c *account.Code) { c.AppID = 1 }, account.ErrApp},
		"unknown user":    {func(c *account.Code) { c.UserID = 1 }, account.ErrNotFound},
	} {
		c := good
		e.edit(&c)
		if _, err := f.NewCode(t.Context(), c); !errors.Is(err, e.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.UserID = 0
	if _, err := f.NewCode(t.Context(), good); err == nil {
		t.Error("a code for nobody")
	}
}

// No file has a code, token or secret.
func TestSecretsAreNotStored(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	app, secret, err := f.CreateApp(ctx, account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{callback}})
	f.no(err)
	code := f.code(ann, app, "")
	invite, err := f.CreateInvite(ctx, 1, 0)
	f.no(err)
	unused := f.code(ann, app, "")
	token, _, err := f.RedeemCode(ctx, app, code, callback, "")
	f.no(err)
	files, err := filepath.Glob(filepath.Join(f.dir, "*"))
	f.no(err)
	if len(files) == 0 {
		t.Fatal("no files")
	}
	found := false
	for _, name := range files {
		data, err := os.ReadFile(name)
		f.no(err)
		found = found || bytes.Contains(data, []byte(app.ClientID))
		for _, s := range []string{secret, code, unused, token, invite.Code, "password of ann"} {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s has %q", filepath.Base(name), s)
			}
		}
	}
	if !found {
		t.Error("the client id is in no file, so the test sees nothing")
	}
}

func FuzzPKCE(f *testing.F) {
	f.Add(verifier, challenge)
	f.Add("", "")
	f.Add(verifier, "")
	f.Add(strings.Repeat("~", 128), challenge)
	f.Fuzz(func(t *testing.T, v, c string) {
		ok := account.Verifies(v, c)
		if want := v == "" && c == ""; c == "" && ok != want {
			t.Fatalf("%q without a challenge: %v", v, ok)
		}
		if ok && c != "" && (len(v) < 43 || len(v) > 128 || account.Verifies(v+"x", c)) {
			t.Fatalf("%q verifies %q", v, c)
		}
	})
}
