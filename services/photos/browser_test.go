package photos_test

import (
	"context"
	"encoding/base64"
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
			ok, err := chromedp.Evaluate[bool](expression)(ctx, target)
			if ok || err != nil {
				return chromedp.Void{}, err
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, fmt.Errorf("never true: %s", expression)
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
	loaded = `document.readyState === "complete" && [...document.images].every((i) => i.complete && i.naturalWidth > 0)`
	fits   = `document.documentElement.scrollWidth <= document.documentElement.clientWidth`
)

// TestInABrowser signs up, shares by drag and drop, looks, and deletes.
func TestInABrowser(t *testing.T) {
	s := open(t, "")
	ctx := chromium(t, 1100, 800)
	run(ctx, t, "sign-up", chromedp.Navigate(s.URL+"/signup"),
		chromedp.SendKeys("input[name=username]", "ann"), chromedp.SendKeys("input[name=password]", password))
	run(ctx, t, "empty", chromedp.Click("main button"), chromedp.WaitVisible(".composer"))
	run(ctx, t, "dropped", drop(jpegOf(1500, 1000), jpegOf(600, 900)),
		until(`document.querySelectorAll("[data-previews] img").length === 2 && `+loaded), until(fits))
	run(ctx, t, "post",
		chromedp.SendKeys(`input[name="description[1]"]`, "the second"),
		chromedp.SendKeys("textarea", "dropped here"),
		chromedp.Click("[data-upload] > button"),
		until(`location.pathname.startsWith("/@ann/") && document.querySelectorAll(".pictures img").length === 2`), until(loaded),
		until(`document.querySelectorAll(".pictures img")[1].alt === "the second"`), until(fits))
	run(ctx, t, "feed", chromedp.Navigate(s.URL+"/"), until(`document.querySelectorAll(".tile").length === 1 && `+loaded))
	run(ctx, t, "refused", drop([]byte("no picture")), chromedp.Click("[data-upload] > button"),
		until(`!document.querySelector("[data-problem]").hidden && document.querySelector("[data-problem]").textContent.includes("picture")`))
	phone := chromedp.EmulateViewport(390, 780, chromedp.EmulateMobile)
	run(ctx, t, "phone-feed", phone, chromedp.Navigate(s.URL+"/"), until(loaded), until(fits))
	run(ctx, t, "phone-upload", chromedp.Navigate(s.URL+"/upload"), until(fits))
	run(ctx, t, "phone-post", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click(".tile"), until(`location.pathname.startsWith("/@ann/")`), until(loaded), until(fits))
	run(ctx, t, "deleted", until(`(window.confirm = () => true, true)`), chromedp.Click("button.danger"),
		until(`location.pathname === "/@ann" && document.querySelectorAll(".tile").length === 0`))
}
