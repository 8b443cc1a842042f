package images_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/porticod/portico/internal/testkit/chromium"
)

// focused is true when the picture of that name has the focus.
func focused(name string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`document.activeElement.innerText === %q`, name))
}

// The page of a folder on a phone and on a desk: pictures show, nothing sticks
// out, and it can be walked by keys.
func TestFolderInABrowser(t *testing.T) {
	s := serve(t, gallery(t), "")
	ctx := chromium.Open(t, 1280, 800)
	for _, width := range []int64{390, 1280} {
		for i, step := range []chromium.Action{
			chromedp.EmulateViewport(width, 800),
			chromedp.Navigate(s.srv.URL + "/"),
			chromium.Until(`document.readyState === "complete" && document.querySelector('img[alt="hills.jpg"]').naturalWidth > 0`),
			chromium.Until(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`),
			chromedp.KeyEvent(kb.ArrowDown), focused("a, b & <c>?#%.jpg"),
			chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), focused("hills.jpg"),
			chromedp.KeyEvent(kb.ArrowLeft), focused("broken.jpg"),
			chromedp.KeyEvent(kb.End), focused("without-extension"),
			chromedp.KeyEvent(kb.ArrowUp), chromium.Until(`document.activeElement.innerText !== "without-extension"`),
			chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.Enter),
			chromium.Until(`document.contentType === "image/jpeg"`),
			chromedp.Navigate(s.srv.URL + "/more/"),
			chromium.Until(`document.querySelector("h1 a").click(), true`), chromium.Until(`location.pathname === "/" && document.querySelectorAll("main a").length === 6`),
		} {
			chromium.Run(ctx, t, fmt.Sprintf("%d wide, step %d", width, i), step)
		}
	}
}
