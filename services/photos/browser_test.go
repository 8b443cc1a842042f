package photos_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

type action = chromedp.Action[chromedp.Void]

// chromium opens a headless browser with a profile of its own.
func chromium(t *testing.T, width, height int64) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("start Chromium (Debian package chromium): %v", err)
	}
	return ctx
}

func run(ctx context.Context, t *testing.T, what string, actions ...action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	shot(ctx, t, what)
}

// shot keeps a picture of the page where PHOTOS_SHOTS names a folder.
func shot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("PHOTOS_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Fatalf("screenshot: %v", err)
	}
}

// until waits for an expression to be true. It asks from here: the page's
// policy forbids what a poll inside of it would need.
func until(expression string) action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		for {
			// Between two pages there may be nothing to ask.
			ok, err := chromedp.Evaluate[bool](expression)(ctx, target)
			if ok {
				return chromedp.Void{}, nil
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, fmt.Errorf("never true: %s: %w", expression, errors.Join(err, ctx.Err()))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// drop lets files fall on the page.
func drop(files ...[]byte) action {
	script := `(() => { const data = new DataTransfer();`
	for i, f := range files {
		script += fmt.Sprintf(`data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], "p%d", {type: "image/jpeg"}));`,
			base64.StdEncoding.EncodeToString(f), i)
	}
	script += `document.body.dispatchEvent(new DragEvent("dragover", {dataTransfer: data, bubbles: true, cancelable: true}));
		document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); return true; })()`
	return until(script)
}

const (
	loaded = `document.readyState === "complete" && [...document.images].every((i) => i.loading === "lazy" || i.complete && i.naturalWidth > 0)`
	fits   = `document.documentElement.scrollWidth <= document.documentElement.clientWidth`
)

// TestInABrowser signs up, shares by drag and drop, looks as somebody else who
// follows, comments and likes, and deletes.
func TestInABrowser(t *testing.T) {
	s := open(t, "")
	ctx := chromium(t, 1280, 860)
	run(ctx, t, "sign-up", chromedp.Navigate(s.URL+"/signup"),
		chromedp.SendKeys("input[name=username]", "ann"), chromedp.SendKeys("input[name=password]", password))
	run(ctx, t, "empty", chromedp.Click("main button"), chromedp.WaitVisible(".empty"), until(fits))
	run(ctx, t, "dropped", chromedp.Navigate(s.URL+"/upload"), drop(jpegOf(600, 900), jpegOf(1500, 1000)),
		until(`document.querySelectorAll("[data-previews] img").length === 2 && `+loaded), until(fits))
	run(ctx, t, "shared",
		chromedp.SendKeys(`[data-previews] li:first-child input`, "was the first"),
		chromedp.Click(`[data-previews] li:last-child .tool`), // forward
		until(`document.querySelector("[data-previews] li:last-child input").value === "was the first"`),
		chromedp.SendKeys("textarea", "dropped here #beach"),
		chromedp.Click("[data-upload] > button"),
		until(`location.pathname.startsWith("/@ann/") && document.querySelectorAll(".pictures .shot").length === 2`), until(loaded),
		until(`document.querySelectorAll(".pictures .shot")[1].alt === "was the first"`), until(fits))

	s.post(s.signUp("bob"), "public")
	other := chromium(t, 390, 780)
	phone := chromedp.EmulateViewport(390, 780, chromedp.EmulateMobile)
	run(other, t, "phone-sign-in", phone, chromedp.Navigate(s.URL+"/login"),
		chromedp.SendKeys("input[name=username]", "bob"), chromedp.SendKeys("input[name=password]", password),
		chromedp.Click("main button"), until(`location.pathname === "/"`))
	run(other, t, "phone-profile", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click("[data-toggle=follow] button"),
		until(`document.querySelector("[data-toggle=follow] button")?.textContent === "Following" && document.querySelector("[data-followers]")?.textContent === "1"`), until(fits))
	run(other, t, "phone-feed", chromedp.Navigate(s.URL+"/"), until(`[...document.querySelectorAll(".post .author b")].some((b) => b.textContent === "ann")`), until(fits))
	run(other, t, "phone-liked", chromedp.Click(`article[aria-label="Post by ann"] [data-toggle=like] button`),
		until(`document.querySelector('article[aria-label="Post by ann"] [data-likes]').textContent === "1"`))
	run(other, t, "phone-commented", chromedp.SendKeys(`article[aria-label="Post by ann"] [data-reply] input[name=status]`, "what a place"),
		chromedp.Click(`article[aria-label="Post by ann"] [data-reply] button`),
		until(`document.querySelector("[data-told]")?.textContent.includes("comment")`), until(fits))

	run(ctx, t, "notifications", chromedp.Navigate(s.URL+"/notifications"),
		until(`["liked your post", "what a place", "started following"].every((t) => document.querySelector(".notices")?.textContent.includes(t))`), until(fits))
	run(ctx, t, "post", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click(".tile"),
		until(`location.pathname.startsWith("/@ann/") && document.querySelector(".comments")?.textContent.includes("what a place")`), until(loaded), until(fits))
	run(ctx, t, "refused", chromedp.Navigate(s.URL+"/upload"), drop([]byte("no picture")), chromedp.Click("[data-upload] > button"),
		until(`!document.querySelector("[data-problem]").hidden && document.querySelector("[data-problem]").textContent.includes("picture")`))
	run(ctx, t, "deleted", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click(".tile"), until(`location.pathname.startsWith("/@ann/")`),
		chromedp.Click(".talk .menu summary"), until(`(window.confirm = () => true, true)`), chromedp.Click(".sheet .danger"),
		until(`location.pathname === "/@ann" && document.querySelectorAll(".tile").length === 0`))
}
