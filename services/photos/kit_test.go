package photos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/photos"
	"github.com/porticod/portico/services/servicetest"
)

const password = "correct horse"

// kind is the kind with accounts of its own.
func kind(t testing.TB) (service.Kind, *account.Directory) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "accounts.db")
	people := account.New()
	people.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			return accountstore.Open(ctx, dir, zerolog.Nop())
		},
		Log: zerolog.Nop(), Registration: account.Open,
	})
	if err := people.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := people.Close(); err != nil {
			t.Error(err)
		}
	})
	return service.KindOf(photos.Type{Accounts: people, Pictures: picture.NewPool(picture.Options{Workers: 2})}), people
}

// site is a running service with a server in front of it.
type site struct {
	*servicetest.HTTPServer
	t      testing.TB
	people *account.Directory
	svc    service.Service
	env    *servicetest.Env
}

func open(t testing.TB, body string) *site {
	t.Helper()
	k, people := kind(t)
	svc, env := servicetest.Open(t, k, body)
	return &site{HTTPServer: servicetest.HTTP(t, svc.(http.Handler)), t: t, people: people, svc: svc, env: env}
}

// A reply is an answer that was read.
type reply struct {
	*http.Response
	t    testing.TB
	body string
}

// is checks the status.
func (r reply) is(status int) reply {
	r.t.Helper()
	if r.StatusCode != status {
		r.t.Fatalf("%s %s: %s instead of %d: %s", r.Request.Method, r.Request.URL, r.Status, status, r.body)
	}
	return r
}

// into decodes the body.
func (r reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		r.t.Fatalf("%s %s: %v in %s", r.Request.Method, r.Request.URL, err, r.body)
	}
}

// send makes a request; headers come in pairs. A path may be a URL.
func (s *site) send(method, path string, body io.Reader, headers ...string) reply {
	s.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = s.URL + path
	}
	req, err := http.NewRequest(method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.Client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res, s.t, string(raw)}
}

// get makes a GET with a token; empty: none.
func (s *site) get(path, token string) reply {
	s.t.Helper()
	return s.call(http.MethodGet, path, token, nil)
}

// call sends form values with a token.
func (s *site) call(method, path, token string, form url.Values, headers ...string) reply {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		headers = append(headers, "Authorization", "Bearer "+token)
	}
	return s.send(method, path, body, headers...)
}

// signUp makes an account and returns a token for it.
func (s *site) signUp(name string) string {
	s.t.Helper()
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	s.call(http.MethodPost, "/api/v1/accounts", "", url.Values{
		"username": {name}, "password": {password}, "email": {name + "@example.org"}, "agreement": {"true"},
	}).is(200).into(&tok)
	if tok.AccessToken == "" {
		s.t.Fatal("no token")
	}
	return tok.AccessToken
}

// app registers an app and returns what names it.
func (s *site) app(scopes string) url.Values {
	s.t.Helper()
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	s.call(http.MethodPost, "/api/v1/apps", "", url.Values{
		"client_name": {"camera"}, "redirect_uris": {"urn:ietf:wg:oauth:2.0:oob"}, "scopes": {scopes},
	}).is(200).into(&app)
	return url.Values{"client_id": {app.ID}, "client_secret": {app.Secret}}
}

// with adds pairs to a copy of v.
func with(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, vs := range v {
		out[k] = vs
	}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

// multipartOf makes a body with a file for each name=content of files.
func multipartOf(t testing.TB, field string, files [][]byte, values ...string) (typ string, body io.Reader) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, f := range files {
		part, err := w.CreateFormFile(field, fmt.Sprintf("picture%d.bin", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(values); i += 2 {
		if err := w.WriteField(values[i], values[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &b
}

// upload sends a picture.
func (s *site) upload(token string, file []byte, values ...string) reply {
	s.t.Helper()
	typ, body := multipartOf(s.t, "file", [][]byte{file}, values...)
	return s.send(http.MethodPost, "/api/v2/media", body, "Content-Type", typ, "Authorization", "Bearer "+token)
}

type media struct {
	ID          string  `json:"id"`
	Type        string  `json:"type"`
	URL         string  `json:"url"`
	PreviewURL  string  `json:"preview_url"`
	Description *string `json:"description"`
	Blurhash    string  `json:"blurhash"`
	Meta        struct {
		Original, Small struct {
			Width, Height int
			Size          string
			Aspect        float64
		}
		Focus struct{ X, Y float64 }
	}
	Sizes []struct {
		Width, Height int
		URL           string
	}
}

type status struct {
	ID          string  `json:"id"`
	URL         string  `json:"url"`
	CreatedAt   string  `json:"created_at"`
	Content     string  `json:"content"`
	Text        *string `json:"text"`
	Visibility  string  `json:"visibility"`
	Sensitive   bool    `json:"sensitive"`
	SpoilerText string  `json:"spoiler_text"`
	Media       []media `json:"media_attachments"`
	Account     struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Statuses int    `json:"statuses_count"`
	}
	Application *struct{ Name string }
}

// picture uploads and returns what came of it.
func (s *site) picture(token string, file []byte, values ...string) (m media) {
	s.t.Helper()
	s.upload(token, file, values...).is(200).into(&m)
	return m
}

// post makes a post with a new picture.
func (s *site) post(token, visibility string) (p status) {
	s.t.Helper()
	m := s.picture(token, small)
	s.call(http.MethodPost, "/api/v1/statuses", token, url.Values{
		"status": {"look"}, "media_ids[]": {m.ID}, "visibility": {visibility},
	}).is(200).into(&p)
	return p
}

// small is a picture that is made quickly.
var small = pngOf(40, 30)

// scene is a picture with something in it.
func scene(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x ^ y) & 0x3f), 255})
		}
	}
	return m
}

func pngOf(w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, scene(w, h)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func jpegOf(w, h int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, scene(w, h), nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// secretPlace stands in the metadata of tagged pictures.
const secretPlace = "N 48 12 30 E 16 22 21"

// tagged adds EXIF to a JPEG: an orientation and a secret, and XMP with it.
func tagged(file []byte, orientation byte) []byte {
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" +
		"\x01\x0e\x00\x02\x00\x00\x00" + string(rune(len(secretPlace)+1)) + "\x00\x00\x00\x26" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(rune(orientation)) + "\x00\x00" +
		"\x00\x00\x00\x00" + secretPlace + "\x00")
	xmp := []byte("http://ns.adobe.com/xap/1.0/\x00<x>" + secretPlace + "</x>")
	out := []byte{0xff, 0xd8}
	for _, seg := range [][]byte{exif, xmp} {
		n := len(seg) + 2
		out = append(append(out, 0xff, 0xe1, byte(n>>8), byte(n)), seg...)
	}
	return append(out, file[2:]...)
}

// patience is how long a test waits for what must come: machines may be busy.
const patience = time.Minute
