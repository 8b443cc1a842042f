package photos_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit/chromium"
)

// drop lets files fall on the page.
func drop(files ...[]byte) chromium.Action {
	script := `(() => { const data = new DataTransfer();`
	for i, f := range files {
		script += fmt.Sprintf(`data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], "p%d", {type: "image/jpeg"}));`,
			base64.StdEncoding.EncodeToString(f), i)
	}
	script += `document.body.dispatchEvent(new DragEvent("dragover", {dataTransfer: data, bubbles: true, cancelable: true}));
		document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); return true; })()`
	return chromium.Until(script)
}

const (
	loaded = `document.readyState === "complete" && [...document.images].every((i) => i.loading === "lazy" || i.complete && i.naturalWidth > 0)`
	fits   = `document.documentElement.scrollWidth <= document.documentElement.clientWidth`
)

// TestInABrowser signs up, shares by drag and drop, looks as somebody else who
// follows, comments and likes, and deletes.
func TestInABrowser(t *testing.T) {
	s := open(t, "")
	ctx := chromium.Open(t, 1280, 860)
	chromium.Run(ctx, t, "sign-up", chromedp.Navigate(s.URL+"/signup"),
		chromedp.SendKeys("input[name=username]", "ann"), chromedp.SendKeys("input[name=password]", password))
	chromium.Run(ctx, t, "empty", chromedp.Click("main button"), chromedp.WaitVisible(".empty"), chromium.Until(fits))
	chromium.Run(ctx, t, "dropped", chromedp.Navigate(s.URL+"/upload"), drop(jpegOf(600, 900), jpegOf(1500, 1000)),
		chromium.Until(`document.querySelectorAll("[data-previews] img").length === 2 && `+loaded), chromium.Until(fits))
	chromium.Run(ctx, t, "shared",
		chromedp.SendKeys(`[data-previews] li:first-child input`, "was the first"),
		chromedp.Click(`[data-previews] li:last-child .tool`), // forward
		chromium.Until(`document.querySelector("[data-previews] li:last-child input").value === "was the first"`),
		chromedp.SendKeys("textarea", "dropped here #beach"),
		chromedp.Click("[data-upload] > button"),
		chromium.Until(`location.pathname.startsWith("/@ann/") && document.querySelectorAll(".pictures .shot").length === 2`), chromium.Until(loaded),
		chromium.Until(`document.querySelectorAll(".pictures .shot")[1].alt === "was the first"`), chromium.Until(fits))

	s.post(s.signUp("bob"), "public")
	other := chromium.Open(t, 390, 780)
	phone := chromedp.EmulateViewport(390, 780, chromedp.EmulateMobile)
	chromium.Run(other, t, "phone-sign-in", phone, chromedp.Navigate(s.URL+"/login"),
		chromedp.SendKeys("input[name=username]", "bob"), chromedp.SendKeys("input[name=password]", password),
		chromedp.Click("main button"), chromium.Until(`location.pathname === "/"`))
	chromium.Run(other, t, "phone-profile", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click("[data-toggle=follow] button"),
		chromium.Until(`document.querySelector("[data-toggle=follow] button")?.textContent === "Following" && document.querySelector("[data-followers]")?.textContent === "1"`), chromium.Until(fits))
	chromium.Run(other, t, "phone-feed", chromedp.Navigate(s.URL+"/"), chromium.Until(`[...document.querySelectorAll(".post .author b")].some((b) => b.textContent === "ann")`), chromium.Until(fits))
	chromium.Run(other, t, "phone-liked", chromedp.Click(`article[aria-label="Post by ann"] [data-toggle=like] button`),
		chromium.Until(`document.querySelector('article[aria-label="Post by ann"] [data-likes]').textContent === "1"`))
	chromium.Run(other, t, "phone-commented", chromedp.SendKeys(`article[aria-label="Post by ann"] [data-reply] input[name=status]`, "what a place"),
		chromedp.Click(`article[aria-label="Post by ann"] [data-reply] button`),
		chromium.Until(`document.querySelector("[data-told]")?.textContent.includes("comment")`), chromium.Until(fits))

	chromium.Run(ctx, t, "notifications", chromedp.Navigate(s.URL+"/notifications"),
		chromium.Until(`["liked your post", "what a place", "started following"].every((t) => document.querySelector(".notices")?.textContent.includes(t))`), chromium.Until(fits))
	chromium.Run(ctx, t, "post", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click(".tile"),
		chromium.Until(`location.pathname.startsWith("/@ann/") && document.querySelector(".comments")?.textContent.includes("what a place")`), chromium.Until(loaded), chromium.Until(fits))
	chromium.Run(ctx, t, "refused", chromedp.Navigate(s.URL+"/upload"), drop([]byte("no picture")), chromedp.Click("[data-upload] > button"),
		chromium.Until(`!document.querySelector("[data-problem]").hidden && document.querySelector("[data-problem]").textContent.includes("picture")`))
	chromium.Run(ctx, t, "deleted", chromedp.Navigate(s.URL+"/@ann"), chromedp.Click(".tile"), chromium.Until(`location.pathname.startsWith("/@ann/")`),
		chromedp.Click(".talk .menu summary"), chromium.Until(`(window.confirm = () => true, true)`), chromedp.Click(".sheet .danger"),
		chromium.Until(`location.pathname === "/@ann" && document.querySelectorAll(".tile").length === 0`))
}
