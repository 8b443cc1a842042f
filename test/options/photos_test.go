package options_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// picture is a JPEG that no other is like.
func picture(t testing.TB, width, height int, seed byte) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{uint8(x) + seed, uint8(y), uint8(x*y) ^ seed, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const photosConfig = `
accounts { registration = "open" }
service "photos" "own" {
  title          = "Holidays"
  description    = "Pictures of the sea"
  email          = "ops@photos.test"
  rules          = ["Be kind.", "No cats."]
  public_url     = "https://photos.test"
  chat_url       = "https://chat.test"
  max_upload     = "20KiB"
  quota          = "40KiB"
  text_posts     = true
  password_grant = false
  limits {
    caption     = 20
    description = 10
  }
}
service "photos" "few" {
  limits {
    requests      = 3
    requests_from = 2
  }
}
listener "own" {
  address = "127.0.0.1:0"
  service = service.photos.own
}
listener "few" {
  address         = "127.0.0.1:0"
  service         = service.photos.few
  trusted_proxies = ["127.0.0.1"]
}
`

// option: photos.title photos.description photos.email photos.rules photos.public_url photos.chat_url
// option: photos.max_upload photos.quota photos.text_posts photos.password_grant
// option: photos.limits.caption photos.limits.description photos.limits.requests photos.limits.requests_from
func TestPhotos(t *testing.T) {
	t.Parallel()
	d := start(t, photosConfig)
	own, few := d.URL("own"), d.URL("few")

	a := get(t, own+"/api/v1/instance")
	for path, want := range map[string]string{
		"title": "Holidays", "short_description": "Pictures of the sea", "email": "ops@photos.test", "rules.1.text": "No cats.",
	} {
		if got := a.field(t, path); got != want {
			t.Errorf("%s of the instance is %q", path, got)
		}
	}
	a.says(t, `"thumbnail":"https://photos\.test/`)
	get(t, own+"/").says(t, `Holidays`)

	ann := signUp(t, own, "ann")
	uploads(t, own, ann)
	post := func(status int, text string) {
		t.Helper()
		ask(t, http.MethodPost, own+"/api/v1/statuses", url.Values{"status": {text}}.Encode(), append(form, ann...)...).is(t, status, "")
	}
	post(http.StatusOK, strings.Repeat("x", 20))
	post(http.StatusUnprocessableEntity, strings.Repeat("x", 21))
	passwordGrant(t, own, http.StatusBadRequest)
	passwordGrant(t, few, http.StatusOK)
	signUp(t, own, "eve")
	a = ask(t, http.MethodPost, own+"/login", "username=eve&password=correct+horse", append([]string{"Origin", "https://photos.test"}, form...)...)
	a.is(t, http.StatusSeeOther, "")
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	get(t, own+"/@ann", "Cookie", cookie).says(t, `href="https://chat\.test/#@ann"`)

	// Calls: three of an account, two of an address without one.
	bob := signUp(t, few, "bob")
	for range 3 {
		get(t, few+"/api/v1/accounts/verify_credentials", bob...).is(t, http.StatusOK, "")
	}
	a = get(t, few+"/api/v1/accounts/verify_credentials", bob...)
	a.is(t, http.StatusTooManyRequests, "")
	a.has(t, "X-RateLimit-Limit", "3")
	stranger := []string{"X-Forwarded-For", "192.0.2.1"}
	for range 2 {
		get(t, few+"/api/v1/timelines/public", stranger...).is(t, http.StatusOK, "")
	}
	get(t, few+"/api/v1/timelines/public", stranger...).is(t, http.StatusTooManyRequests, "")
	get(t, few+"/api/v1/timelines/public", "X-Forwarded-For", "192.0.2.2").is(t, http.StatusOK, "")
}

var form = []string{"Content-Type", "application/x-www-form-urlencoded"}

// signUp makes an account, and returns the header of its token.
func signUp(t *testing.T, base, name string) []string {
	t.Helper()
	a := ask(t, http.MethodPost, base+"/api/v1/accounts", url.Values{"username": {name}, "password": {"correct horse"}}.Encode(), form...)
	a.is(t, http.StatusOK, "")
	return []string{"Authorization", "Bearer " + a.field(t, "access_token")}
}

// uploads is about sizes of pictures, and the length of descriptions.
func uploads(t *testing.T, base string, who []string) {
	t.Helper()
	upload := func(status int, file, description string) int {
		t.Helper()
		a := postMedia(t, base, file, who, "description", description)
		if status != 0 {
			a.is(t, status, "")
		}
		return a.StatusCode
	}
	small := picture(t, 150, 150, 1)
	large := picture(t, 600, 600, 2)
	if len(small) < 2<<10 || len(small) > 20<<10 || len(large) < 20<<10 {
		t.Fatalf("the pictures have %d and %d bytes", len(small), len(large))
	}
	upload(http.StatusRequestEntityTooLarge, large, "")
	upload(http.StatusUnprocessableEntity, small, strings.Repeat("x", 11))
	upload(http.StatusOK, small, strings.Repeat("x", 10))
	for i := byte(2); upload(0, picture(t, 150, 150, i), "") != http.StatusUnprocessableEntity; i++ {
		if i == 30 {
			t.Fatal("the quota is never used up")
		}
	}
}

// postMedia uploads a picture as who, with more fields of the form: name, value.
func postMedia(t *testing.T, base, file string, who []string, fields ...string) answer {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", "a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write([]byte(file))
	for i := 0; i+1 < len(fields); i += 2 {
		_ = m.WriteField(fields[i], fields[i+1])
	}
	_ = m.Close()
	return ask(t, http.MethodPost, base+"/api/v2/media", b.String(), append([]string{"Content-Type", m.FormDataContentType()}, who...)...)
}

// passwordGrant signs ann in by name and password.
func passwordGrant(t *testing.T, base string, status int) {
	t.Helper()
	app := ask(t, http.MethodPost, base+"/api/v1/apps", "client_name=a&redirect_uris=urn:ietf:wg:oauth:2.0:oob", form...)
	ask(t, http.MethodPost, base+"/oauth/token", url.Values{
		"grant_type": {"password"}, "username": {"ann"}, "password": {"correct horse"},
		"client_id": {app.field(t, "client_id")}, "client_secret": {app.field(t, "client_secret")},
	}.Encode(), form...).is(t, status, "")
}
