package chat_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/porticod/portico/internal/testkit/chromium"
	"github.com/porticod/portico/services/servicetest"
)

// message waits for a bubble with a text and, if it is one's own, a tick.
func message(text, tick string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`[...document.querySelectorAll("li.msg")].some((li) =>
		li.querySelector("p.body")?.textContent === %q && (li.querySelector(".tick")?.getAttribute("aria-label") ?? "") === %q)`, text, tick))
}

// signUp makes an account with the form of the page.
func signUp(ctx context.Context, t *testing.T, url, username, name string) {
	t.Helper()
	chromium.Run(ctx, t, username+" signs up",
		chromedp.Navigate(url+"/"),
		chromedp.WaitVisible("#switch"),
		chromedp.Click("#switch"),
		chromedp.SendKeys("#sign input[name=username]", username),
		chromedp.SendKeys("#sign input[name=name]", name),
		chromedp.SendKeys("#sign input[name=password]", "correct horse"),
		chromedp.Click("#sign-button"),
		state("online"),
	)
}

// find searches for somebody and opens the chat with them.
func find(who string) []chromium.Action {
	return []chromium.Action{
		chromedp.SendKeys("#find input", who),
		chromium.Until(fmt.Sprintf(`document.querySelector("#list .last")?.textContent.startsWith("@" + %q)`, who)),
		chromedp.Click("#list li button"),
		chromedp.WaitVisible("#compose"),
	}
}

func write(text string) chromium.Action { return chromedp.SendKeys("#compose textarea", text+"\n") }

func state(s string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`document.body.dataset.state === %q`, s))
}

// front is a port behind which a chat comes and goes.
type front struct{ to atomic.Pointer[http.Handler] }

func (f *front) set(h http.Handler) { f.to.Store(&h) }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*f.to.Load()).ServeHTTP(w, r) }

var down = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })

// without answers one path with 502 and leaves the others to h.
func without(path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			down(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func TestPage(t *testing.T) {
	w := start(t, nil)
	port := &front{}
	port.set(w.chat)
	url := servicetest.HTTP(t, port).URL
	bob := w.join("bob")
	const hello = "hello <b>bob</b>, see https://example.org/"

	alice := chromium.Open(t, 1100, 700)
	signUp(alice, t, url, "alice", "Alice")
	chromium.Run(alice, t, "start a chat", find("bob")...)
	chromium.Run(alice, t, "send", write(hello), message(hello, "sent"))
	conv := bob.with("alice")
	s := bob.connect()
	s.send(`{"mark":{"conv":%q,"recv":1}}`, conv)
	chromium.Run(alice, t, "delivered", message(hello, "delivered"))
	s.send(`{"id":3,"send":{"conv":%q,"cid":"b1","text":"hi alice"}}`, conv)
	chromium.Run(alice, t, "the answer appears without a reload, and what is above it is read",
		message("hi alice", ""), message(hello, "read"))
	mark := s.next("alice's mark", func(l line) bool { return isMark(l) && l.Ev.From == "alice" }).Ev
	if mark.Read != 2 {
		t.Errorf("alice looks at the message; her mark is %+v", mark)
	}
	chromium.Shot(alice, t, "desktop")

	// What is written while there is no server is sent, once, when there is one,
	// and so is what was written before the page was loaded anew.
	port.set(down)
	w.close()
	chromium.Run(alice, t, "no server",
		chromium.Until(`["offline", "connecting"].includes(document.body.dataset.state)`),
		write("into the dark"),
		message("into the dark", "waiting"),
	)
	chromium.Shot(alice, t, "offline")
	w.open()
	bob.say(conv, "b2", "while you were away")
	port.set(w.chat)
	chromium.Run(alice, t, "back by itself", state("online"), message("while you were away", ""), message("into the dark", "sent"))

	port.set(without("/v1/ws", w.chat))
	w.env.Drain(1012)
	chromium.Run(alice, t, "a reload without a connection",
		chromium.Until(`["offline", "connecting"].includes(document.body.dataset.state)`),
		write("before the reload"),
		message("before the reload", "waiting"),
		write("in the same frame"),
		chromedp.Reload(),
		chromium.Until(`["offline", "connecting"].includes(document.body.dataset.state)`),
	)
	port.set(w.chat)
	chromium.Run(alice, t, "after the reload", state("online"), message("before the reload", "sent"), message("in the same frame", "sent"))
	var h struct{ Messages []event }
	bob.call("GET", "/v1/conversations/"+conv+"/messages", "", 200, &h)
	if n := len(h.Messages); n != 6 || h.Messages[3].Text != "into the dark" || h.Messages[4].Text != "before the reload" {
		t.Errorf("history: %+v", h)
	}

	phone := chromedp.EmulateViewport(390, 780, chromedp.EmulateMobile)
	chromium.Run(alice, t, "on a phone", phone, chromium.Until(`getComputedStyle(document.querySelector(".side")).display === "none"`))
	chromium.Shot(alice, t, "phone-thread")
	chromium.Run(alice, t, "back to the list", chromedp.Click("#back"), chromedp.WaitVisible("#list button"))
	chromium.Shot(alice, t, "phone-list")
	chromium.Run(alice, t, "sign out", chromedp.Click("#me"), chromedp.Click("#out"), chromedp.WaitVisible("#sign"))
}

// keys presses keys, one after the other, as their names say.
func keys(names ...string) chromium.Action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		known := map[string]string{
			"Escape": kb.Escape, "Enter": kb.Enter, "Tab": kb.Tab, "ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown, "k": "k",
		}
		for _, name := range names {
			var opts []chromedp.KeyOption
			if rest, ok := strings.CutPrefix(name, "Shift+"); ok {
				name, opts = rest, append(opts, chromedp.KeyModifiers(chromedp.ModifierShift))
			}
			if rest, ok := strings.CutPrefix(name, "Ctrl+"); ok {
				name, opts = rest, append(opts, chromedp.KeyModifiers(chromedp.ModifierCtrl))
			}
			if v, err := chromedp.KeyEvent(known[name], opts...)(ctx, target); err != nil {
				return v, err
			}
		}
		return chromedp.Void{}, nil
	}
}
