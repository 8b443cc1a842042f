package chat_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/porticod/portico/internal/testkit/chromium"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

// lake is a picture of hills and water.
func lake(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 640, 420))
	for i := range 640 * 420 {
		x, y := float64(i%640)/640, float64(i/640)/420
		ridge := .45 - .18*math.Abs(math.Sin(5*x+1)) - .06*math.Sin(17*x)
		c := color.RGBA{uint8(120 + 90*y), uint8(170 + 50*y), 225, 255}
		switch wave := 8 * math.Sin(90*y+9*math.Sin(7*x)); {
		case y > .55:
			c = color.RGBA{uint8(60 + 30*y + wave), uint8(130 + 20*y + wave), uint8(180 - 30*y + wave), 255}
		case y > ridge:
			c = color.RGBA{uint8(70 - 40*(y-ridge)), uint8(95 + 30*(y-ridge)), 100, 255}
		}
		img.SetRGBA(i%640, i/640, c)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// files makes what a drop or a paste brings, as a script that leaves data.
func files(name, typ string, content []byte) string {
	return fmt.Sprintf(`const data = new DataTransfer(); data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q, {type: %q}));`,
		base64.StdEncoding.EncodeToString(content), name, typ)
}

func js(script string) chromium.Action {
	return chromium.Until("(() => {" + script + "; return true; })()")
}

// press clicks what has a text, among what a selector finds.
func press(selector, text string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q)].findLast((e) => e.textContent.includes(%q)); e?.click(); return e; })()`, selector, text))
}

// menu opens the actions of the message with a text and takes one.
func menu(text, item string) []chromium.Action {
	return []chromium.Action{
		chromium.Until(fmt.Sprintf(`(() => { const li = [...document.querySelectorAll("li.msg")].find((e) => e.querySelector(".body")?.textContent.includes(%q) && e.querySelector(".act"));
			li?.querySelector(".act").click(); return li; })()`, text)),
		press(".menu button", item),
	}
}

func seen(selector, text string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))`, selector, text))
}

// fits says that nothing is wider than the window, and that its pictures are
// there.
const fits = `document.documentElement.scrollWidth <= innerWidth && [...document.images].every((i) => i.complete && i.naturalWidth > 0 || i.loading === "lazy")`

// dark has the page believe that its reader prefers that.
func dark(ctx context.Context, t *testing.T) {
	t.Helper()
	chromium.Run(ctx, t, "dark", chromium.Dark)
}

// Everything that a group of three does, on two screens.
func TestPageGroup(t *testing.T) {
	_, url := daemon(t)
	alice, bob := two(t, url)

	chromium.Run(alice, t, "make a group", chromedp.Click("#new"), press(".menu button", "New group"),
		chromedp.SendKeys("dialog input[name=title]", "Lake trip"),
		press("dialog .choice", "Bob Lang"), chromedp.Click("dialog button.primary"),
		chromium.Until(`document.querySelector("#title").textContent === "Lake trip"`), write("Who comes along on Saturday?"))
	chromium.Run(bob, t, "it appears", press("#list button", "Lake trip"), message("Who comes along on Saturday?", ""))
	chromium.Run(alice, t, "read by all", message("Who comes along on Saturday?", "read"))

	chromium.Run(bob, t, "a picture is dropped", js(files("lake.jpg", "image/jpeg", lake(t))+`
		document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}))`),
		chromium.Until(`document.querySelector(".chip.ready")`), write("It was so clear 😍"), chromium.Until(`document.querySelector(".picture img")`))
	chromium.Run(alice, t, "she sees it", chromium.Until(`document.querySelector(".picture img")?.naturalWidth === 640`))
	chromium.Run(alice, t, "a file is pasted", js(files("list.txt", "text/plain", []byte("towels, bread"))+`
		document.querySelector("#compose textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))`),
		chromium.Until(`document.querySelector(".chip.ready")`), chromedp.Click("#send"))
	chromium.Run(bob, t, "he sees it", seen("a.file", "list.txt"))

	chromium.Run(alice, t, "react", append(menu("so clear", "❤️"), chromium.Until(`document.querySelector(".reactions button.mine")`))...)
	chromium.Run(bob, t, "the reaction is there", chromium.Until(`document.querySelector(".reactions button:not(.mine)")`), chromedp.Click(".reactions button"))
	chromium.Run(alice, t, "two reactions", seen(".reactions button", "2"))

	chromium.Run(bob, t, "reply", append(menu("Who comes", "Reply"), chromedp.SendKeys("#compose textarea", "@al"), chromedp.WaitVisible("#offers li"),
		chromedp.SendKeys("#compose textarea", "\n"), write("I do, by train at 9"))...)
	chromium.Run(alice, t, "a reply and a mention", seen(".quote", "Who comes along"), seen(".mention.self", "@alice"))
	chromium.Run(bob, t, "arrow up edits", chromedp.KeyEvent(kb.ArrowUp), chromium.Until(`!document.querySelector("#about-draft").hidden`), chromedp.SendKeys("#compose textarea", ":30\n"))
	chromium.Run(alice, t, "edited", seen("li.msg .body", "by train at 9:30"), seen("li.msg footer", "edited"))

	chromium.Run(bob, t, "delete for all", write("wrong chat"), message("wrong chat", "read"))
	chromium.Run(bob, t, "asks first", append(menu("wrong chat", "Delete for everyone"), press("dialog button", "Delete"), seen("li.msg.gone", "You deleted"))...)
	chromium.Run(alice, t, "deleted", seen("li.msg.gone", "was deleted"))
	chromium.Run(alice, t, "delete for me", append(menu("was deleted", "Delete for me"), chromium.Until(`!document.querySelector("li.msg.gone")`))...)

	// The service passes typing on once in three seconds.
	chromium.Run(bob, t, "typing", chromium.Until(`(document.querySelector("#compose textarea").dispatchEvent(new InputEvent("input")), true)`))
	for end := time.Now().Add(late); ; {
		chromium.Run(bob, t, "typing", chromedp.SendKeys("#compose textarea", "x"))
		if ok, _ := chromedp.Run(alice, chromedp.Evaluate[bool](`document.querySelector("#about").textContent.includes("is typing")`)); ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("alice does not see that bob is typing")
		}
		time.Sleep(100 * time.Millisecond)
	}
	chromium.Shot(alice, t, "group")
	chromium.Run(alice, t, "message info", append(menu("Who comes", "Read by"), seen("dialog .people", "Bob Lang"), chromedp.KeyEvent(kb.Escape), chromium.Until(`!document.querySelector("dialog[open]")`))...)
	chromium.Run(alice, t, "search", chromedp.SendKeys("#find input", "train"), seen("#list .section", "Messages"), chromedp.Click("#list li button"), chromium.Until(`document.querySelector("li.msg.flash")`),
		js(`const q = document.querySelector("#find input"); q.value = ""; q.dispatchEvent(new Event("input")); document.querySelector("#messages").scrollTop = 1e6`))
	chromium.Run(alice, t, "forward", append(menu("so clear", "Forward"), press("dialog .choice", "Bob Lang"), chromedp.Click("dialog button.primary"))...)
	chromium.Run(bob, t, "forwarded with the picture", press("#list button", "Alice Meyer"), seen("li.msg .body", "so clear"), chromium.Until(`document.querySelector(".picture img")?.naturalWidth === 640`),
		press("#list button", "Lake trip"))
	chromium.Run(alice, t, "mute and pin", chromedp.Click("#conv-menu"), press(".menu button", "Mute"), press(".menu button", "Always"), chromium.Until(`document.querySelector("#list .icon-mute")`),
		chromedp.Click("#conv-menu"), press(".menu button", "Pin"), chromium.Until(`document.querySelector("#list .icon-pin")`))

	chromium.Run(alice, t, "roles", chromedp.Click("#who"), chromedp.Click("dialog .people .plain"), press(".menu button", "Make admin"), seen("dialog em", "admin"))
	chromium.Run(bob, t, "he is told", seen(".notice", "now an admin"))
	chromium.Run(alice, t, "invite", press("dialog button", "Invite link"), chromium.Until(`document.querySelector("dialog input[readonly]")`))
	link, err := chromedp.Run(alice, chromedp.Evaluate[string](`document.querySelector("dialog input[readonly]").value`))
	if err != nil {
		t.Fatal(err)
	}
	chromium.Run(alice, t, "close", js(`document.querySelectorAll("dialog[open]").forEach((d) => d.close())`))

	carol := chromium.Open(t, 390, 780)
	dark(carol, t)
	signUp(carol, t, url, "carol", "Carol Núñez")
	chromium.Run(carol, t, "join by the link, on a phone", chromedp.Navigate(link), press("dialog button", "Join"),
		chromium.Until(`document.querySelector("#title").textContent === "Lake trip"`), chromium.Until(`getComputedStyle(document.querySelector(".side")).display === "none"`), chromium.Until(fits))
	chromium.Run(alice, t, "she is announced", seen(".notice", "Carol Núñez joined"))
	chromium.Run(bob, t, "bob greets", js(`document.querySelector("#compose textarea").value = ""`), write("Welcome @carol!"))
	chromium.Run(carol, t, "she is greeted", message("Welcome @carol!", ""), write("Thank you! I bring the boat 🚣"), message("Thank you! I bring the boat 🚣", "read"))
	dark(bob, t)
	chromium.Run(bob, t, "at a phone's width", chromedp.EmulateViewport(390, 780), chromium.Until(fits), seen("li.msg .body", "boat"))
	chromium.Shot(bob, t, "phone-dark")
	chromium.Shot(carol, t, "phone-carol")
	chromium.Run(bob, t, "the list", chromedp.Click("#back"), chromedp.WaitVisible("#list button"), chromium.Until(fits))
	chromium.Shot(bob, t, "phone-dark-list")
	chromium.Run(carol, t, "leave", chromedp.Click("#conv-menu"), press(".menu button", "Leave group"), press("dialog button", "Leave"), chromedp.WaitVisible("#closed"))
	chromium.Run(alice, t, "she has left", seen(".notice", "Carol Núñez left"))
}

// Older messages are read when one scrolls up, without a jump; and a page that
// missed more than it is sent reads everything anew.
func TestPageHistory(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.ResumeLimit = 10 })
	port := &front{}
	port.set(w.chat)
	url := servicetest.HTTP(t, port).URL
	bob := w.join("bob")
	alice := chromium.Open(t, 1100, 700)
	signUp(alice, t, url, "alice", "Alice")
	conv := bob.with("alice")
	for i := range 120 {
		bob.say(conv, fmt.Sprintf("c%d", i), fmt.Sprintf("message %d", i))
	}
	chromium.Run(alice, t, "unread", chromium.Until(`document.querySelector("#list .badge")?.textContent === "99+"`), chromium.Until(`document.title === "(1) Chat"`))
	const end = `(() => { const b = document.querySelector("#messages"); return b.scrollHeight - b.scrollTop - b.clientHeight < 2; })()`
	chromium.Run(alice, t, "opens where she has read to, and only what she sees is read", press("#list button", "bob"), message("message 0", ""), chromium.Until(`document.querySelector("li.unread")`),
		chromium.Until(`document.querySelector("#messages").scrollTop < 100`), chromium.Until(`Number(document.querySelector("#list .badge").textContent.replace("+", "")) > 90`), chromium.Until(`document.querySelector("#down-count").textContent !== ""`))
	chromium.Run(alice, t, "to the end", chromedp.Click("#down"), message("message 119", ""), chromium.Until(`document.querySelectorAll("li.msg").length === 50`), chromium.Until(end),
		chromium.Until(`document.title === "Chat"`), chromium.Until(`!document.querySelector("#list .badge")`))
	const where = `Math.round(document.querySelector('[data-seq="75"]').getBoundingClientRect().top)`
	chromium.Run(alice, t, "scroll up", js(`document.querySelector('[data-seq="75"]').scrollIntoView(); window.was = `+where),
		chromium.Until(`document.querySelectorAll("li.msg").length >= 100`), chromium.Until(`Math.abs(`+where+` - window.was) < 2`))
	chromium.Run(alice, t, "nothing jumps when somebody writes", js(`window.was = `+where))
	bob.say(conv, "new", "while she reads")
	chromium.Run(alice, t, "it is there", message("while she reads", ""), chromium.Until(`Math.abs(`+where+` - window.was) < 2`), chromium.Until(`document.querySelector("#down-count").textContent === "1"`), chromium.Until(`document.title === "(1) Chat"`),
		chromedp.Click("#down"), chromium.Until(`document.querySelector("#down").hidden`), chromium.Until(`document.title === "Chat"`))

	port.set(down)
	w.close()
	chromium.Run(alice, t, "no server", chromium.Until(`document.body.dataset.state !== "online"`))
	w.open()
	for i := range 30 {
		bob.say(conv, fmt.Sprintf("d%d", i), fmt.Sprintf("missed %d", i))
	}
	port.set(w.chat)
	chromium.Run(alice, t, "everything anew", state("online"), message("missed 0", ""), message("missed 29", ""),
		chromium.Until(`document.querySelectorAll("li.msg").length === 50`), write("got it"), message("got it", "sent"))
}
