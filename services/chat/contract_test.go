package chat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

func TestContract(t *testing.T) {
	w := &world{t: t, accounts: directory(t)}
	if err := w.accounts.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice := w.join("alice")
	authed := func(method, url, body string) *http.Request {
		req := servicetest.Request(method, url)
		req.Header.Set("Authorization", "Bearer "+alice.token)
		req.Body = io.NopCloser(bytes.NewReader([]byte(body)))
		req.ContentLength = int64(len(body))
		return req
	}
	var n atomic.Int64
	servicetest.Run(t, servicetest.Suite{
		Kind:    service.KindOf(chat.Type{Accounts: w.accounts.Directory}),
		Healthz: true,
		Paths:   []string{"/", "/client.js", "/app.js", "/style.css", "/healthz", "/v1/me", "/nothing"},
		Changed: `
			ping            = "1m"
			max_text        = "1KiB"
			max_attachment  = "1MiB"
			quota           = "10MiB"
			max_members     = 10
			public_url      = "https://chat.example.org"
			drain           = "1s"
			allowed_origins = "https://app.example.org"
			limits {
			  sends       = 50000
			  burst       = 100000
			  connections = 30
			  calls       = 1000
			  sign_ups    = 5
			}`,
		Bad: map[string]string{
			`ping = "1ms"`:                                   "out of range",
			`max_text = "1MiB"`:                              "out of range",
			`quota = "1MiB"`:                                 "at least",
			`max_attachment = "1TiB"`:                        "out of range",
			`max_members = 1`:                                "out of range",
			`public_url = "chat.example.org/x"`:              "address",
			`drain = "1h"`:                                   "out of range",
			"limits {\n calls = 0\n}":                        "out of range",
			`resume_limit = 0`:                               "out of range",
			`allowed_origins = "app.example.org"`:            "origin",
			`allowed_origins = ["https://app.example.org/"]`: "origin",
			"limits {\n sends = 0\n}":                        "out of range",
			"limits {\n connections = -1\n}":                 "out of range",
		},
		Client: func(ctx context.Context, base string) error {
			var conv struct{ ID string }
			if err := talk(ctx, authed("POST", base+"/v1/conversations", `{"kind":"direct","with":"alice"}`), &conv); err != nil {
				return err
			}
			i := n.Add(1)
			var got ack
			body := fmt.Sprintf(`{"cid":"c%d","text":"%d"}`, i, i)
			if err := talk(ctx, authed("POST", base+"/v1/conversations/"+conv.ID+"/messages", body), &got); err != nil {
				return err
			}
			var h struct{ Messages []event }
			url := fmt.Sprintf("%s/v1/conversations/%s/messages?around=%d&limit=1", base, conv.ID, got.Seq)
			if err := talk(ctx, authed("GET", url, ""), &h); err != nil {
				return err
			}
			if len(h.Messages) != 1 || h.Messages[0].Text != fmt.Sprint(i) {
				return fmt.Errorf("message %d is stored as %+v", i, h)
			}
			return nil
		},
		Streams: []func(string) *http.Request{
			func(base string) *http.Request {
				req := authed("GET", base+"/v1/events", "")
				req.Header.Set("Accept", "text/event-stream")
				return req
			},
			func(base string) *http.Request {
				return authed("GET", base+"/v1/events?wait=60&after=0&epoch="+epochAt(t, base, alice.token), "")
			},
		},
	})
}

func talk(ctx context.Context, req *http.Request, into any) error {
	res, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, res.Status, body)
	}
	return json.Unmarshal(body, into)
}

func epochAt(t *testing.T, base, token string) string {
	t.Helper()
	req := servicetest.Request("GET", base+"/v1/events")
	req.Header.Set("Authorization", "Bearer "+token)
	var e struct{ Epoch string }
	if err := talk(t.Context(), req, &e); err != nil {
		t.Fatal(err)
	}
	return e.Epoch
}
