package chat_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/chromium"
	"github.com/porticod/portico/internal/testkit/port"
)

// daemon starts a portico with a chat on a port that stays the same when it is
// started again.
func daemon(t *testing.T) (d *testkit.Daemon, url string) {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", port.Below(t))
	d = testkit.Start(t, testkit.App(), fmt.Sprintf(`
data_dir = "./data"
drain    = "1s"
log { level = "warn" }
admin { socket = "./data/admin.sock" }
accounts { registration = "open" }
service "chat" "test" {}
listener "test" {
  address = %q
  service = service.chat.test
}
`, addr))
	return d, "http://" + addr
}

// two are two people with a browser each, who have a chat with each other open.
func two(t *testing.T, url string) (alice, bob context.Context) {
	t.Helper()
	alice, bob = chromium.Open(t, 1180, 760), chromium.Open(t, 1180, 760)
	signUp(alice, t, url, "alice", "Alice Meyer")
	signUp(bob, t, url, "bob", "Bob Lang")
	chromium.Run(alice, t, "alice opens the chat", find("bob")...)
	chromium.Run(alice, t, "alice writes", write("Hi Bob!"), message("Hi Bob!", "delivered"))
	chromium.Run(bob, t, "bob sees it without a reload", chromium.Until(`document.querySelector("#list .last")?.textContent === "Hi Bob!"`),
		chromium.Until(`document.title === "(1) Chat"`), press("#list button", ""), message("Hi Bob!", ""), chromium.Until(`document.title === "Chat"`))
	chromium.Run(alice, t, "alice sees that he read it", message("Hi Bob!", "read"))
	return alice, bob
}

// Two browsers chat with each other, through a reload and a restart of the
// server, and nobody does anything about it.
func TestTwoBrowsers(t *testing.T) {
	d, url := daemon(t)
	alice, bob := two(t, url)
	chromium.Run(bob, t, "bob answers", write("Hello Alice"), write("how are you?"), message("how are you?", "read"))
	chromium.Run(alice, t, "alice reads", message("Hello Alice", ""), message("how are you?", ""))
	chromium.Run(alice, t, "a reload keeps the chat open", chromedp.Reload(), state("online"), message("how are you?", ""), write("fine"), message("fine", "read"))

	if code := d.Stop(); code != 0 {
		t.Fatalf("the daemon ends with %d", code)
	}
	chromium.Run(bob, t, "bob writes while there is no server", chromium.Until(`document.body.dataset.state !== "online"`), write("are you there?"), message("are you there?", "waiting"))
	chromium.Run(alice, t, "alice too", chromium.Until(`document.body.dataset.state !== "online"`), write("one moment"), message("one moment", "waiting"))
	chromium.Shot(bob, t, "restart")
	testkit.Restart(t, d, testkit.App())
	chromium.Run(bob, t, "bob is back by himself", state("online"), message("are you there?", "read"), message("one moment", ""))
	chromium.Run(alice, t, "alice too", state("online"), message("one moment", "read"), message("are you there?", ""))
	chromium.Run(alice, t, "each message is there once", chromium.Until(`document.querySelectorAll("li.msg").length === 6`))
	chromium.Shot(alice, t, "two")
	chromium.Run(bob, t, "once for him, too", chromium.Until(`document.querySelectorAll("li.msg").length === 6`), chromium.Until(`document.querySelectorAll("li.msg.failed").length === 0`))
}
