package images_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

type action = chromedp.Action[chromedp.Void]

// until waits for an expression to be true. It asks from here: the page's policy
// forbids what a poll inside of it would need.
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
				got, _ := chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 300)`)(context.WithoutCancel(ctx), target)
				return chromedp.Void{}, fmt.Errorf("never true: %s; the focus is on %s: %w", expression, got, errors.Join(err, ctx.Err()))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// focused is true when the picture of that name has the focus.
func focused(name string) action {
	return until(fmt.Sprintf(`document.activeElement.innerText === %q`, name))
}

// The page of a folder on a phone and on a desk: pictures show, nothing sticks
// out, and it can be walked by keys.
func TestFolderInABrowser(t *testing.T) {
	s := serve(t, gallery(t), "")
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	for _, width := range []int64{390, 1280} {
		for i, step := range []action{
			chromedp.EmulateViewport(width, 800),
			chromedp.Navigate(s.srv.URL + "/"),
			until(`document.readyState === "complete" && document.querySelector('img[alt="hills.jpg"]').naturalWidth > 0`),
			until(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`),
			chromedp.KeyEvent(kb.ArrowDown), focused("a, b & <c>?#%.jpg"),
			chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), focused("hills.jpg"),
			chromedp.KeyEvent(kb.ArrowLeft), focused("broken.jpg"),
			chromedp.KeyEvent(kb.End), focused("without-extension"),
			chromedp.KeyEvent(kb.ArrowUp), until(`document.activeElement.innerText !== "without-extension"`),
			chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.Enter),
			until(`document.contentType === "image/jpeg"`),
			chromedp.Navigate(s.srv.URL + "/more/"),
			until(`document.querySelector("h1 a").click(), true`), until(`location.pathname === "/" && document.querySelectorAll("main a").length === 6`),
		} {
			if err := chromedp.Do(ctx, step); err != nil {
				t.Fatalf("%d wide, step %d (needs the Debian package chromium): %v", width, i, err)
			}
		}
	}
}
