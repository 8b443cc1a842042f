package chat_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/porticod/portico/internal/testkit/chromium"
)

// What one sets for oneself: profile, notifications, devices, password, blocks,
// and the end of the account.
func TestPageSettings(t *testing.T) {
	w := start(t, nil)
	bob := w.join("bob")
	alice := chromium.Open(t, 1100, 700)
	signUp(alice, t, w.http.URL, "alice", "Alice")
	settings := func(part string) []chromium.Action { // opens one part of the dialog
		return []chromium.Action{chromedp.Click("#me"), chromedp.WaitVisible("dialog[open] summary"), press("dialog summary", part)}
	}
	closed := chromedp.Action[chromedp.Void](js(`document.querySelectorAll("dialog[open]").forEach((d) => d.close())`))

	chromium.Run(alice, t, "profile", chromedp.Click("#me"), chromedp.WaitVisible("dialog[open] summary"), js(`document.querySelector("dialog input[name=about]").value = "at the lake"`), press("dialog button", "Save"), seen("#toasts", "Saved"), closed)
	var me struct{ Name, About string }
	bob.call("GET", "/v1/users/alice", "", 200, &me)
	if me.Name != "Alice" || me.About != "at the lake" {
		t.Errorf("others see %+v", me)
	}

	// What the system would show is kept, since nobody looks.
	chromium.Run(alice, t, "notifications", js(`window.told = []; window.Notification = class {
		static permission = "granted"; static requestPermission = async () => "granted";
		constructor(title, { body }) { window.told.push(title + ": " + body); } close() {} }`))
	chromium.Run(alice, t, "turn them on", append(settings("Notifications"), press("dialog .check input, dialog .check", "Show new messages"), chromium.Until(`localStorage.getItem("portico_chat_notify") === "yes"`), closed)...)
	conv := bob.with("alice")
	bob.say(conv, "c1", "are you there?")
	chromium.Run(alice, t, "told", chromium.Until(`window.told.join() === "bob: are you there?"`), chromium.Until(`document.title === "(1) Chat"`))
	chromium.Run(alice, t, "not of what she looks at", press("#list button", ""), message("are you there?", ""), chromium.Until(`document.title === "Chat"`), chromedp.Click("#compose textarea"))
	bob.say(conv, "c2", "hello?")
	chromium.Run(alice, t, "announced to who listens", message("hello?", ""), seen("#live", "bob: hello?"), chromium.Until(`window.told.length === 1`))

	chromium.Run(alice, t, "a draft", chromedp.SendKeys("#compose textarea", "half a thou"), chromedp.KeyEvent(kb.Escape), chromium.Until(`document.querySelector("#open").hidden`),
		seen("#list .draft", "half a thou"), chromedp.Reload(), state("online"), seen("#list .draft", "half a thou"), press("#list button", ""),
		chromium.Until(`document.querySelector("#compose textarea").value === "half a thou"`))

	chromium.Run(alice, t, "block", chromedp.Click("#conv-menu"), press(".menu button", "Block"), press("dialog button", "Block"), chromedp.WaitVisible("#closed"))
	if status, _ := bob.do("POST", "/v1/conversations/"+conv+"/messages", `{"cid":"c3","text":"why?"}`); status != 403 {
		t.Errorf("bob is blocked, his message: %d", status)
	}
	chromium.Run(alice, t, "unblock", chromedp.Click("#conv-menu"), press(".menu button", "Unblock"), chromedp.WaitVisible("#compose"))

	var phone struct{ Token string }
	bob.call("POST", "/v1/sessions", `{"username":"alice","password":"correct horse","device":"A phone"}`, 201, &phone)
	chromium.Run(alice, t, "devices", append(settings("Devices"), seen("dialog .people", "A phone"))...)
	chromium.Shot(alice, t, "devices")
	chromium.Run(alice, t, "log the phone out", press("dialog .people button", "Log out"), chromium.Until(`!document.querySelector("dialog[open]").textContent.includes("A phone")`), closed)
	if status, _ := (&person{w: w, token: phone.Token}).do("GET", "/v1/me", ""); status != 401 {
		t.Errorf("the phone was logged out and gets %d", status)
	}

	bob.call("POST", "/v1/sessions", `{"username":"alice","password":"correct horse","device":"A phone"}`, 201, &phone)
	chromium.Run(alice, t, "a new password logs the others out", append(settings("Password"), chromedp.SendKeys(`dialog input[name=old]`, "correct horse"), chromedp.SendKeys(`dialog input[name=fresh]`, "battery staple\n"),
		seen("#toasts", "The password is changed"), closed)...)
	if status, _ := (&person{w: w, token: phone.Token}).do("GET", "/v1/me", ""); status != 401 {
		t.Errorf("the password is another one and the phone gets %d", status)
	}
	chromium.Run(alice, t, "dark, if one wants that", append(settings("appearance"), js(`const s = document.querySelector("dialog details[open] select"); s.value = "dark"; s.dispatchEvent(new Event("change"))`),
		chromium.Until(`getComputedStyle(document.documentElement).colorScheme === "dark" && localStorage.getItem("portico_chat_theme") === "dark"`), closed)...)

	chromium.Run(alice, t, "delete the account", append(settings("Your data"), press("dialog button", "Delete my account"), press("dialog button", "Go on"),
		chromedp.SendKeys(`dialog input[name=password]`, "not this one\n"), seen("dialog .error", "password"))...)
	chromium.Shot(alice, t, "delete")
	chromium.Run(alice, t, "for good", js(`[...document.querySelectorAll("dialog")].at(-1).querySelector("input[name=password]").value = "battery staple"`), press("dialog button", "for good"),
		chromedp.WaitVisible("#sign"), chromium.Until(`document.querySelector("#sign-error").textContent !== ""`))
	if status, _ := bob.do("GET", "/v1/users/alice", ""); status != 404 {
		t.Errorf("alice is gone; asking for her gives %d", status)
	}
}
