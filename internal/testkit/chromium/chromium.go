// Package chromium has a headless Chromium look at pages for a test. It knows
// nothing of portico.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/porticod/portico/internal/testkit/wait"
)

// Action is what Run does, one after the other.
type Action = chromedp.Action[chromedp.Void]

// Open starts a Chromium with a profile of its own, which ends with the test, and
// returns the context of its page, for Run. The size is in pixels of CSS.
func Open(t testing.TB, width, height int64) context.Context {
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

// Run does all actions, as long as patience lasts, and keeps a picture of what came
// of it (see Shot). When one fails, the test does, with what the page says.
func Run(ctx context.Context, t testing.TB, what string, actions ...Action) {
	t.Helper()
	soon, cancel := context.WithTimeout(ctx, wait.Patience)
	defer cancel()
	err := chromedp.Do(soon, actions...)
	Shot(ctx, t, what)
	if err == nil {
		return
	}
	after, cancel := context.WithTimeout(ctx, wait.Patience)
	defer cancel()
	focus, _ := chromedp.Run(after, chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 300)`))
	text, _ := chromedp.Run(after, chromedp.Evaluate[string](`document.body.innerText`))
	t.Fatalf("%s: %v\nthe focus is on %s in\n%s", what, err, focus, text)
}

// Until waits for an expression to be true. It asks from here: the page's policy
// forbids what a poll inside of it would need.
func Until(expression string) Action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		for {
			// Between two pages there may be nothing to ask.
			ok, err := chromedp.Evaluate[bool]("Boolean(("+expression+"))")(ctx, target)
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

// Dark has the page believe that its reader prefers that.
func Dark(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
	scheme := map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}
	return chromedp.Void{}, target.Call(ctx, "Emulation.setEmulatedMedia", scheme, &struct{}{})
}

// Shot keeps a picture of the page in the folder that PORTICO_TEST_SHOTS names, if
// it does.
func Shot(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	dir := os.Getenv("PORTICO_TEST_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".png"), png, 0o600)
	}
	if err != nil {
		t.Errorf("screenshot: %v", err)
	}
}
