package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/chromium"
)

const config = `
service "respond" "hello" { body = "hello" }
service "respond" "broken" {
  status = 500
  body   = "no"
}
service "chat" "lobby" {}
listener "web" {
  address = "127.0.0.1:0"
  route {
    path    = ["/broken"]
    service = service.respond.broken
  }
  service = service.respond.hello
}
listener "secure" {
  address = "127.0.0.1:0"
  tls { self_signed = true }
  service = service.chat.lobby
}
`

func do(script string) chromium.Action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[bool]("("+script+", true)")(ctx, target)
		return chromedp.Void{}, err
	}
}

func state(s string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`document.body.dataset.state === %q`, s))
}

// A window is a server in front of a daemon's admin socket, at an address that
// stays when the daemon goes: what ssh makes of a forwarded port.
type window struct {
	*httptest.Server
	streams atomic.Int64 // that were asked for
}

func open(t *testing.T, d *testkit.Daemon) *window {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.Admin.Path())
	}
	w := new(window)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host
			r.Out.Host = r.In.Host
		},
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close() // nobody is there
			}
		},
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.streams.Add(1)
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
	})
	return w
}

// traffic asks for pages until the test ends; of ten one is broken.
func traffic(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			path := "/"
			if i%10 == 0 {
				path = "/broken"
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
			if err != nil {
				return
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// cell is an expression for a cell of the row that begins with name.
func cell(table, name string, column int) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#%s tbody tr")].find((r) => r.children[0].textContent === %q)?.children[%d].textContent`, table, name, column)
}

// value is an expression for what a chart says of now.
func value(chart int, line int) string {
	return fmt.Sprintf(`document.querySelectorAll("figure")[%d].querySelectorAll(".value")[%d].textContent`, chart, line)
}

const shows = " > 0" // a text that is a number, and not 0

// The page shows what goes on, as it goes on; to eyes, keyboards and readers
// aloud.
func TestDashboard(t *testing.T) {
	d := testkit.Start(t, testkit.App(), config)
	ctx := chromium.Open(t, 1280, 900)
	w := open(t, d)
	chromium.Run(ctx, t, "open the page",
		// What the page is not allowed to do, or what fails in it, is kept.
		chromedp.Navigate(w.URL+"/"),
		do(`(window.wrong = [], addEventListener("error", (e) => wrong.push(e.message)), addEventListener("securitypolicyviolation", (e) => wrong.push(e.violatedDirective + " " + e.blockedURI)))`),
		state("good"),
		chromium.Until(value(0, 0)+` === "0"`),
		chromium.Until(value(3, 0)+` === "0"`))
	traffic(t, d.URL("web"))
	chromium.Run(ctx, t, "see traffic",
		chromium.Until(value(0, 0)+shows),
		chromium.Until(value(1, 0)+` !== "–"`),
		chromium.Until(value(2, 0)+shows),
		chromium.Until(value(3, 0)+shows),
		chromium.Until(cell("listeners", "web", 5)+shows),
		chromium.Until(cell("listeners", "↳ route1", 7)+shows),
		chromium.Until(cell("listeners", "↳ default", 7)+` === "0"`),
		chromium.Until(cell("services", "respond.broken", 5)+shows),
		chromium.Until(cell("services", "respond.hello", 1)+` === "ok"`),
		chromium.Until(cell("certificates", "secure", 3)+shows),
		chromium.Until(`[...document.querySelectorAll("#services dt")].some((e) => e.textContent === "messages")`),
		chromium.Until(`document.querySelectorAll("figure path.line")[0].getAttribute("d").split("L").length > 3`))
	chromium.Shot(ctx, t, "light")

	chromium.Run(ctx, t, "ask a chart with the keyboard",
		do(`document.querySelector("figure").focus()`),
		do(`document.querySelector("figure").dispatchEvent(new KeyboardEvent("keydown", {key: "Home"}))`),
		chromium.Until(`/at .*\d/.test(document.querySelector("figure").getAttribute("aria-label")) && document.querySelector(".when").textContent`),
		do(`document.querySelector("figure").dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}))`),
		chromium.Until(`/now \d.* highest/.test(document.querySelector("figure").getAttribute("aria-label"))`))
	chromium.Run(ctx, t, "read the charts as a table",
		chromedp.Click("#history summary"),
		chromium.Until(`document.querySelectorAll("#history tbody tr").length >= 1 && document.querySelectorAll("#history thead th").length === 12`),
		chromedp.Click("#history summary"))
	chromium.Run(ctx, t, "pause",
		chromedp.Click("#pause"), state("paused"),
		chromium.Until(`document.querySelector("#pause").getAttribute("aria-pressed") === "true"`),
		chromedp.Click("#pause"), state("good"))
	chromium.Run(ctx, t, "nothing went wrong", chromium.Until(`wrong.length === 0 || console.error(wrong)`))

	chromium.Run(ctx, t, "a phone in the dark", chromedp.EmulateViewport(390, 844), chromium.Dark,
		chromium.Until(`document.documentElement.scrollWidth <= innerWidth`), chromium.Until(`getComputedStyle(document.body).backgroundColor === "rgb(20, 24, 27)"`))
	chromium.Shot(ctx, t, "phone-dark")
	chromium.Run(ctx, t, "the smallest phone", chromedp.EmulateViewport(320, 640), chromium.Until(`document.documentElement.scrollWidth <= innerWidth`))
	chromium.Run(ctx, t, "a desk in the dark", chromedp.EmulateViewport(1280, 900))
	chromium.Shot(ctx, t, "dark")
}

// The page outlives the daemon, and does not hold up its reload or its end.
func TestDashboardOverReloadAndRestart(t *testing.T) {
	d := testkit.Start(t, testkit.App(), config)
	w := open(t, d)
	ctx := chromium.Open(t, 800, 600)
	chromium.Run(ctx, t, "open the page", chromedp.Navigate(w.URL+"/"), state("good"))

	began := time.Now()
	if r := d.Reload(strings.Replace(config, `"hello" { body`, `"hallo" { body`, 1)); r.OK {
		t.Fatal("a file with a mistake was taken")
	}
	chromium.Run(ctx, t, "see that a reload failed", chromium.Until(`document.querySelector("#alerts").textContent.includes("The last reload")`))
	if r := d.Reload(config + "service \"echo\" \"e\" {}\n"); !r.OK {
		t.Fatalf("got %+v", r)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("reloads took %v with a page that looks on", took)
	}
	chromium.Run(ctx, t, "see the new service", chromium.Until(cell("services", "echo.e", 1)+` === "ok"`), chromium.Until(`document.querySelector("#alerts").textContent === ""`))
	if n := w.streams.Load(); n != 1 {
		t.Errorf("the stream was cut by a reload: asked for %d times", n)
	}

	began = time.Now()
	if status := d.Stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the page held up the end for %v", took)
	}
	chromium.Run(ctx, t, "see the end", state("lost"))
	testkit.Restart(t, d, testkit.App())
	chromium.Run(ctx, t, "see the new one", state("good"), chromium.Until(cell("services", "echo.e", 1)+` === "ok"`))
}
