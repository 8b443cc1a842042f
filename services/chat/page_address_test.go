package chat_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit/chromium"
)

// A link to /#@name, as the photos' profiles have it, opens the conversation
// with that person: after signing up, in a page that is open already, and one
// that is there already.
func TestPageAddress(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.join("bob")
	carol := w.join("carol")

	page := chromium.Open(t, 1100, 700)
	with := func(name string) chromium.Action {
		return chromium.Until(fmt.Sprintf(`document.querySelector("#who").textContent.includes(%q) && !location.hash.includes("@")`, name))
	}
	chromium.Run(page, t, "signing up", chromedp.Navigate(w.http.URL+"/#@bob"), chromedp.WaitVisible("#switch"), chromedp.Click("#switch"),
		chromedp.SendKeys("#sign input[name=username]", "alice"), chromedp.SendKeys("#sign input[name=password]", "correct horse"),
		chromedp.Click("#sign-button"), state("online"), chromedp.WaitVisible("#compose"), with("bob"))
	chromium.Run(page, t, "a new one", write("hello bob"), message("hello bob", "sent"))
	old := carol.with("alice")
	carol.say(old, "c1", "have you been here before?")
	chromium.Run(page, t, "an old one, in an open page", js(`location.hash = "#@Carol"`), with("carol"), message("have you been here before?", ""))
	chromium.Run(page, t, "after a reload it is still open", chromedp.Reload(), state("online"), with("carol"))
	chromium.Run(page, t, "nobody", js(`location.hash = "#@nobody-at-all"`), chromium.Until(`document.querySelector("#toasts").textContent !== ""`),
		chromium.Until(`!location.hash.includes("@")`))
	carol.say(old, "c2", "I have")
	chromium.Run(page, t, "the page goes on", press("#list button", "carol"), message("I have", ""))
}
