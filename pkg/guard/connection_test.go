package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/guard"
)

// A client cannot have the name that the other server gave it dropped on the way,
// by naming the header in Connection; what else it names there stays.
func TestConnectionCannotNameWhatIsCopied(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Remote-User", "ann") }))
	defer auth.Close()
	g := guard.New(guard.Options{Forward: &guard.Forward{URL: auth.URL, Copy: []string{"remote-user"}, Timeout: 10 * time.Second}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header["Connection"] = []string{"Upgrade, REMOTE-USER", "X-Own"}
	v := guard.Visit{Request: r, Client: netip.MustParseAddr("127.0.0.1"), Fail: func(int, string, string) {}}
	if !g.Admit(httptest.NewRecorder(), v) {
		t.Fatal("refused")
	}
	if got := fmt.Sprint(r.Header["Connection"], r.Header["Remote-User"]); got != "[Upgrade X-Own] [ann]" {
		t.Error(got)
	}
}
