package photos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/netip"
	"testing"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/servicetest"
)

// TestContract runs the suite that every kind runs.
func TestContract(t *testing.T) {
	k, people := kind(t)
	u, err := people.SignUp(t.Context(), account.NewUser{Username: "ann", Password: password, From: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := people.NewSession(t.Context(), account.Session{UserID: u.ID, Service: "photos.test", Device: "test"})
	if err != nil {
		t.Fatal(err)
	}
	servicetest.Run(t, servicetest.Suite{
		Kind:    k,
		Changed: `title = "Other"`,
		Bad: map[string]string{
			`max_upload = "1"`:                          `"20MiB" is the default`,
			`max_upload = "1GiB"`:                       "256MiB",
			`quota = -1`:                                "quota",
			`public_url = "example.org"`:                "scheme, host and port",
			`public_url = "https://example.org/photos"`: "without a path",
			`chat_url = "chat.example.org"`:             "scheme, host and port",
			"limits {\n caption = 0\n}":                 "between 1 and",
			"limits {\n description = 0\n}":             "between 1 and",
			`title = "` + long + `"`:                    "longer than",
		},
		Paths:   []string{"/", "/api/v1/instance", "/api/v1/timelines/public", "/api/v1/nothing", "/login", "/assets/photos.css", "/healthz"},
		Healthz: true,
		Client: func(ctx context.Context, base string) error {
			return converse(ctx, base, token)
		},
	})
}

var long = fmt.Sprintf("%0101d", 0)

// converse uploads, posts, looks and deletes.
func converse(ctx context.Context, base, token string) error {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "a.png")
	if err != nil {
		return err
	}
	if _, err := part.Write(small); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	var m media
	if err := ask(ctx, "POST", base+"/api/v2/media", token, w.FormDataContentType(), &body, &m); err != nil {
		return err
	}
	var p status
	if err := ask(ctx, "POST", base+"/api/v1/statuses", token, "application/json", bytes.NewReader([]byte(`{"media_ids":[`+m.ID+`]}`)), &p); err != nil {
		return err
	}
	if err := ask(ctx, "GET", p.Media[0].URL, "", "", nil, nil); err != nil {
		return err
	}
	var feed []status
	if err := ask(ctx, "GET", base+"/api/v1/timelines/public", "", "", nil, &feed); err != nil {
		return err
	}
	return ask(ctx, "DELETE", base+"/api/v1/statuses/"+p.ID, token, "", nil, nil)
}

func ask(ctx context.Context, method, url, token, typ string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, raw)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}
