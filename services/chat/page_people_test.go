package chat_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit/chromium"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

// at opens the page in a browser in which somebody is signed in.
func at(ctx context.Context, t *testing.T, url string, p *person) {
	t.Helper()
	chromium.Run(ctx, t, p.name+" opens the page", chromedp.Navigate(url+"/icon.svg"), js(fmt.Sprintf(
		`localStorage.setItem("portico_chat_session", JSON.stringify({token: %q, username: %q}))`, p.token, p.name)),
		chromedp.Navigate(url+"/"), state("online"), chromium.Until(`document.querySelector("#me .avatar")`))
}

// closeAll closes what lies on top.
func closeAll() chromium.Action {
	return js(`document.querySelectorAll("dialog[open]").forEach((d) => d.close())`)
}

// row waits for a conversation in the list whose line says something, with a
// tick or, where that is "", without.
func row(text, tick string) chromium.Action {
	return chromium.Until(fmt.Sprintf(`[...document.querySelectorAll("#list li")].some((li) =>
		li.textContent.includes(%q) && (li.querySelector(".last .icon")?.getAttribute("aria-label") ?? "") === %q)`, text, tick))
}

// The list tells what became of one's messages, and others learn that theirs
// arrived, without a conversation being opened.
func TestPageTicks(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	alice, bob := w.join("alice"), w.join("bob")
	conv := alice.with("bob")
	alice.say(conv, "a1", "are you there?")
	group := bob.group("g1", "Lake trip", "alice")
	bob.say(group, "b1", "hello @alice")

	page := chromium.Open(t, 1100, 700)
	at(page, t, w.http.URL, alice)
	chromium.Run(page, t, "sent, and mentioned", row("are you there?", "sent"), row("hello @alice", ""), seen("#list .badge", "@"))
	marks := func(p *person, id, who string) (recv, read int64) {
		var h struct {
			Members []struct {
				Username   string
				Recv, Read int64
			}
		}
		p.call("GET", "/v1/conversations/"+id+"/members", "", 200, &h)
		for _, m := range h.Members {
			if m.Username == who {
				return m.Recv, m.Read
			}
		}
		return 0, 0
	}
	wait.Until(t, "bob learns that it arrived", func() bool { recv, read := marks(bob, group, "alice"); return recv > 0 && read == 0 })
	s := bob.connect()
	s.send(`{"mark":{"conv":%q,"recv":1}}`, conv)
	chromium.Run(page, t, "delivered", row("are you there?", "delivered"))
	s.send(`{"mark":{"conv":%q,"read":1}}`, conv)
	chromium.Run(page, t, "read", row("are you there?", "read"))
	s.send(`{"typing":{"conv":%q,"on":true}}`, conv)
	chromium.Run(page, t, "typing", seen("#list .typing", "typing"), press("#list button", "bob"), seen("#about", "typing"))
	s.send(`{"typing":{"conv":%q,"on":false}}`, conv)
	chromium.Run(page, t, "presence", chromium.Until(`document.querySelector("#about").textContent === "online"`), chromium.Until(`document.querySelector("#list .dot")`))

	chromium.Run(page, t, "archive", chromedp.Click("#conv-menu"), press(".menu button", "Archive"), seen("#archived", "Archived (1)"), chromium.Until(`document.querySelectorAll("#list li").length === 1`))
	chromium.Run(page, t, "and back", chromedp.Click("#archived"), press("#list button", "bob"), chromedp.Click("#conv-menu"), press(".menu button", "Unarchive"), chromium.Until(`document.querySelectorAll("#list li").length === 2`))
	chromium.Run(page, t, "mark as unread", chromedp.Click("#conv-menu"), press(".menu button", "Mark as unread"), chromium.Until(`document.title === "(2) Chat"`),
		press("#list button", "Lake trip"), message("hello @alice", ""), chromium.Until(`document.title === "(1) Chat"`), press("#list button", "bob"), chromium.Until(`document.title === "Chat"`))
	chromium.Run(page, t, "delete the chat", chromedp.Click("#conv-menu"), press(".menu button", "Delete chat"), press("dialog button", "Delete"), chromium.Until(`document.querySelectorAll("#list li").length === 1`))
}

// What happened to a group stays to be read, and so do its doors.
func TestPageAdmin(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	alice, bob, carol := w.join("alice"), w.join("bob"), w.join("carol")
	w.join("dora")
	group := alice.group("g1", "Lake trip", "bob")
	alice.say(group, "a1", "hello")
	page := chromium.Open(t, 1100, 700)
	at(page, t, w.http.URL, alice)
	info := []chromium.Action{chromedp.Click("#who"), chromedp.WaitVisible("dialog[open] .people li")}
	chromium.Run(page, t, "open", press("#list button", "Lake trip"), message("hello", "sent"))
	chromium.Run(page, t, "title", append(info, press("dialog button", "Title"), js(`document.querySelector("dialog input[name=title]").value = "Lake trip 2"`), press("dialog button", "Save"), seen(".notice", "changed the title to “Lake trip 2”"))...)
	face := alice.upload("lake.jpg", lake(t))
	alice.call("PATCH", "/v1/conversations/"+group, fmt.Sprintf(`{"avatar":%q}`, face.ID), 200, nil)
	chromium.Run(page, t, "picture", seen(".notice", "You changed the picture"), chromium.Until(`document.querySelector("#avatar img")?.naturalWidth > 0`))
	chromium.Run(page, t, "add", append(info, press("dialog button", "Add members"), chromedp.SendKeys("dialog:last-of-type input[type=search]", "dora"), press("dialog .choice", "dora"),
		js(`[...document.querySelectorAll("dialog")].at(-1).querySelector("button.primary").click()`), seen(".notice", "You added dora"))...)
	chromium.Run(page, t, "role", append(info, js(`[...document.querySelectorAll("dialog .people li")].find((li) => li.textContent.includes("@bob")).querySelector("button").click()`),
		press(".menu button", "Make admin"), seen("dialog em", "admin"), seen(".notice", "bob is now an admin"),
		js(`[...document.querySelectorAll("dialog .people li")].find((li) => li.textContent.includes("@dora")).querySelector("button").click()`),
		press(".menu button", "Remove from the group"), press("dialog button", "Remove"), seen(".notice", "You removed dora"), closeAll())...)
	chromium.Run(page, t, "invite", append(info, press("dialog button", "Invite link"), chromium.Until(`document.querySelector("dialog input[readonly]")`))...)
	link, err := chromedp.Run(page, chromedp.Evaluate[string](`document.querySelector("dialog input[readonly]").value`))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(link, "#join=")
	carol.call("POST", "/v1/invites/"+code, "", 201, nil)
	chromium.Run(page, t, "she joined; the link is made invalid", seen(".notice", "carol joined"), press("dialog button", "Make it invalid"), chromium.Until(`document.querySelectorAll("dialog[open]").length === 1`), closeAll())
	carol.call("DELETE", "/v1/conversations/"+group, "", 204, nil)
	if status, body := carol.do("POST", "/v1/invites/"+code, ""); status != http.StatusNotFound {
		t.Errorf("an invite that was made invalid: %d %s", status, body)
	}
	chromium.Run(page, t, "nor here", js(fmt.Sprintf(`location.href = %q`, link)), seen("#toasts", "no longer valid"), chromedp.Reload(), state("online"))

	chromium.Run(page, t, "all of it after a reload", press("#list button", "Lake trip 2"), message("hello", "sent"), seen(".notice", "You made this group"), chromium.Until(`[...document.querySelectorAll(".notice")].slice(1).map((n) => n.textContent).join("; ") ===
		"You changed the title to “Lake trip 2”; You changed the picture; You added dora; bob is now an admin; You removed dora; carol joined; carol left"`))
	chromium.Run(page, t, "leave", append(info, press("dialog button", "Leave the group"), press("dialog button.danger.primary", "Leave"), seen("#closed", "no longer in this group"))...)
	var c conversation
	bob.call("GET", "/v1/conversations/"+group, "", 200, &c)
	if c.Role != "owner" {
		t.Errorf("the owner has left; the admin is %s", c.Role)
	}
}

// An upload shows how far it is, can be tried again, and says why it is refused;
// a text waits for it.
func TestPageUpload(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *chat.Config) { c.MaxAttachment = 1 << 20 })
	alice := w.join("alice")
	w.join("bob")
	conv := alice.with("bob")
	alice.say(conv, "a1", "first")
	release := make(chan struct{})
	port := &front{}
	port.set(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/blobs" {
			<-release
		}
		w.chat.ServeHTTP(rw, r)
	}))
	url := servicetest.HTTP(t, port).URL
	page := chromium.Open(t, 1100, 700)
	at(page, t, url, alice)
	drop := func(name, size string) chromium.Action {
		return js(fmt.Sprintf(`const data = new DataTransfer(); data.items.add(new File([new Uint8Array(%s)], %q));
			document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}))`, size, name))
	}
	chromium.Run(page, t, "on its way", press("#list button", "bob"), message("first", "sent"), drop("a.bin", "1000"), chromium.Until(`document.querySelector(".chip progress")`),
		write("here it is"), chromium.Until(`document.querySelector("#send").disabled`), write(""))
	close(release)
	chromium.Run(page, t, "sent once", message("here it is", "sent"), seen("a.file", "a.bin"), chromium.Until(`!document.querySelector(".chip") && !document.querySelector("#send").disabled`))

	port.set(without("/v1/blobs", w.chat))
	chromium.Run(page, t, "no server", drop("b.bin", "1000"), seen(".chip.failed", "not there right now"), write("with b"), seen("#toasts", "could not be uploaded"))
	port.set(w.chat)
	chromium.Run(page, t, "again", press(".chip button", "Try again"), chromium.Until(`document.querySelector(".chip.ready")`), chromedp.Click("#send"), message("with b", "sent"))
	chromium.Run(page, t, "too large", drop("c.bin", "2 << 20"), seen(".chip.failed", "too large"), chromedp.Click(".chip button[title^=Remove]"), chromium.Until(`!document.querySelector(".chip")`))
	var h struct{ Messages []event }
	alice.call("GET", "/v1/conversations/"+conv+"/messages", "", 200, &h)
	if len(h.Messages) != 3 || len(h.Messages[1].Attachments) != 1 || len(h.Messages[2].Attachments) != 1 {
		t.Errorf("history: %+v", h)
	}
}

// Tabs share what waits; a session that was ended shows the door.
func TestPageTabs(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	alice, bob := w.join("alice"), w.join("bob")
	conv := alice.with("bob")
	alice.say(conv, "a1", "first")
	port := &front{}
	port.set(w.chat)
	url := servicetest.HTTP(t, port).URL
	page := chromium.Open(t, 1100, 700)
	at(page, t, url, alice)
	chromium.Run(page, t, "open", press("#list button", "bob"), message("first", "sent"))
	second, end := chromedp.NewContext(page)
	defer end()
	if err := chromedp.Do(second, chromedp.EmulateViewport(1100, 700)); err != nil { // not with run: the tab would end with its deadline
		t.Fatal(err)
	}
	chromium.Run(second, t, "another tab", chromedp.Navigate(url+"/#"+conv), state("online"), message("first", "sent"), write("from the second"), message("from the second", "sent"))
	chromium.Run(page, t, "in the first, too", message("from the second", "sent"))
	port.set(without("/v1/ws", w.chat))
	w.env.Drain(1012)
	chromium.Run(second, t, "without a connection", chromium.Until(`document.body.dataset.state !== "online"`), write("left behind"), message("left behind", "waiting"))
	end() // the tab is closed
	port.set(w.chat)
	chromium.Run(page, t, "the first sends it", state("online"), message("left behind", "sent"))
	var h struct{ Messages []event }
	bob.call("GET", "/v1/conversations/"+conv+"/messages", "", 200, &h)
	if len(h.Messages) != 3 || h.Messages[2].Text != "left behind" {
		t.Errorf("history: %+v", h)
	}

	chromium.Run(page, t, "export", js(`URL.createObjectURL = (b) => { b.text().then((text) => { window.exported = text; }); return "#none"; }; document.querySelector("#me").click()`), press("dialog summary", "Your data"),
		press("dialog button", "Export"), chromium.Until(`window.exported?.includes("left behind") && window.exported.trimEnd().split("\n").at(-1).includes('"end"')`), closeAll())
	alice.call("DELETE", "/v1/sessions/current", "", 204, nil)
	chromium.Run(page, t, "signed out elsewhere", chromedp.WaitVisible("#sign"), seen("#sign-error", "You were signed out"), chromium.Until(`localStorage.getItem("portico_chat_session") === null`))
}

// Strange texts harm nobody, and everybody can use the page: texts have
// contrast, controls have names, and the keyboard is enough.
func TestPageForAll(t *testing.T) {
	t.Parallel()
	audit, err := os.ReadFile("testdata/audit.js")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, nil)
	alice, bob := w.join("alice"), w.join("bob")
	group := bob.group("g1", strings.Repeat("Oberniederhausen", 6), "alice")
	lines := []string{
		`<img src=x onerror=\"window.harm=1\"> javascript:window.harm=1 https://example.org/\"onclick=\"window.harm=1`,
		`*bold* _slanted_ ~struck~ \u0060code *as is*\u0060 snake_case_word 2*3*4`,
		`see https://en.wikipedia.org/wiki/Lake_(disambiguation). Or (www.example.org/a)!`,
		`مرحبا يا أليس، كيف حالك؟`, strings.Repeat("x", 300), `hello @alice 👩‍👩‍👧‍👦`,
	}
	for i, text := range lines {
		bob.call("POST", "/v1/conversations/"+group+"/messages", fmt.Sprintf(`{"cid":"c%d","text":"%s"}`, i, text), 201, nil)
	}
	page := chromium.Open(t, 1100, 700)
	at(page, t, w.http.URL, alice)
	good := chromium.Until("(() => { const found = " + strings.TrimSpace(string(audit)) + "; if (found) throw new Error(found); return true; })()")
	chromium.Run(page, t, "texts", press("#list button", "Oberniederhausen"), message("hello @alice 👩‍👩‍👧‍👦", ""), chromium.Until(`!window.harm && !document.querySelector("#messages img[src=x]")`),
		chromium.Until(`document.querySelector(".body strong").textContent === "bold" && document.querySelector(".body em").textContent === "slanted" && document.querySelector(".body s").textContent === "struck"`),
		chromium.Until(`document.querySelector(".body code").textContent === "code *as is*" && document.querySelectorAll(".body em").length === 1`),
		chromium.Until(`[...document.querySelectorAll(".body a")].map((a) => a.href).join() === "https://example.org/,https://en.wikipedia.org/wiki/Lake_(disambiguation),https://www.example.org/a"`),
		chromium.Until(`[...document.querySelectorAll(".body a")].every((a) => a.rel.includes("noopener") && a.target === "_blank")`),
		chromium.Until(`getComputedStyle([...document.querySelectorAll(".body")].find((b) => b.textContent.startsWith("مرحبا"))).direction === "rtl"`), chromium.Until(fits))
	for range 2 { // light, then dark
		chromium.Run(page, t, "contrast and names", good, js(`document.querySelector("li.msg .act").click()`), good, keys("Escape"), chromedp.Click("#conv-menu"), good, keys("Escape"),
			chromedp.Click("#who"), chromedp.WaitVisible("dialog .people li"), good, closeAll(), chromedp.Click("#me"), chromedp.WaitVisible("dialog summary"),
			js(`document.querySelectorAll("details").forEach((d) => { d.name = ""; d.open = true; })`), good, closeAll(), chromedp.Click("#new"), good, keys("Escape"))
		dark(page, t)
	}
	chromium.Run(page, t, "focus", chromedp.Focus("#compose textarea"))
	chromium.Run(page, t, "arrows go through the messages", keys("Shift+Tab", "Shift+Tab"), chromium.Until(`document.activeElement.id === "emoji"`), js(`document.querySelector("#messages").focus()`),
		keys("ArrowUp", "ArrowUp"), chromium.Until(`document.activeElement.textContent.startsWith("xxx")`), js(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}))`), chromium.Until(`document.activeElement.textContent === "Reply"`),
		keys("ArrowDown"), chromium.Until(`document.activeElement.textContent.startsWith("Message bob")`), keys("Escape"), chromium.Until(`!document.querySelector(".menu") && document.activeElement.closest("li.msg")`),
		keys("ArrowDown", "ArrowDown"), chromium.Until(`document.activeElement.name === "text"`))
	chromium.Run(page, t, "Escape goes back to the list, Ctrl+K searches, the first Tab skips", keys("Escape"), chromium.Until(`document.activeElement.closest("#list") && document.querySelector("#open").hidden`),
		keys("Enter"), chromium.Until(`document.activeElement.name === "text"`), keys("Ctrl+k"), chromium.Until(`document.activeElement.name === "q"`), chromedp.SendKeys("#find input", "hello"), seen("#list .section", "Messages"),
		keys("ArrowDown", "Enter"), chromium.Until(`document.querySelector("li.msg.flash")`), js(`document.activeElement.blur(); document.querySelector("#skip").focus()`), keys("Enter"), chromium.Until(`document.activeElement.name === "text"`))
	chromium.Shot(page, t, "for-all")
	chromium.Run(page, t, "at a phone's width", chromedp.EmulateViewport(390, 844), chromium.Until(fits))
	chromium.Shot(page, t, "for-all-phone")
}

// However far one scrolls, a few hundred messages are in the page, and what one
// writes from up there is shown at the end.
func TestPageWindow(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	alice, bob := w.join("alice"), w.join("bob")
	conv := bob.with("alice")
	const all = 360
	s := bob.connect()
	for i := range all {
		s.send(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":"message %d"}}`, i+10, conv, i, i)
	}
	wait.Until(t, "all are there", func() bool { return alice.conv(conv).LastSeq == all })
	alice.call("POST", "/v1/conversations/"+conv+"/marks", fmt.Sprintf(`{"read":%d}`, all), 204, nil)
	page := chromium.Open(t, 1100, 700)
	at(page, t, w.http.URL, alice)
	chromium.Run(page, t, "open", press("#list button", "bob"), message(fmt.Sprintf("message %d", all-1), ""))
	chromium.Run(page, t, "up to the first", chromium.Until(`(document.querySelector("#messages").scrollTop = 0, document.querySelector('[data-seq="1"]'))`), chromium.Until(`document.querySelectorAll("li.msg").length === 300`),
		chromium.Until(`!document.querySelector('[data-seq="360"]') && !document.querySelector("#down").hidden`))
	chromium.Run(page, t, "and down again", chromium.Until(`(document.querySelector("#messages").scrollTop = 1e6, document.querySelector('[data-seq="360"]'))`), chromium.Until(`document.querySelectorAll("li.msg").length === 300`))
	chromium.Run(page, t, "write from far above", chromium.Until(`(document.querySelector("#messages").scrollTop = 0, document.querySelector('[data-seq="1"]'))`), write("at the end"), message("at the end", "sent"),
		chromium.Until(`(() => { const b = document.querySelector("#messages"); return b.scrollHeight - b.scrollTop - b.clientHeight < 2; })()`))
}
