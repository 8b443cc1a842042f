package backup

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// answers hands the first line that a WebSocket gets to a test.
type answers struct {
	gws.BuiltinEventHandler
	lines chan string
}

func (a *answers) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	select {
	case a.lines <- m.Data.String():
	default:
	}
}

// socketResets comes back over a WebSocket with a position from before a restore.
func socketResets(t *testing.T, u *user, base string, old where, epoch string) {
	t.Helper()
	a := &answers{lines: make(chan string, 1)}
	conn, _, err := gws.NewClient(a, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(base, "http") + "/v1/ws"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.NetConn().Close()
	go conn.ReadLoop()
	hello := fmt.Sprintf(`{"id":1,"connect":{"token":%q,"resume":{"epoch":%q,"cursor":%d}}}`, u.chat, old.Epoch, old.Cursor)
	if err := conn.WriteMessage(gws.OpcodeText, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Connect struct {
			Epoch          string
			Resumed, Reset bool
		}
	}
	select {
	case text := <-a.lines:
		first, _, _ := strings.Cut(text, "\n")
		if err := json.Unmarshal([]byte(first), &line); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	case <-time.After(patience):
		t.Fatal("the WebSocket says nothing")
	}
	if c := line.Connect; !c.Reset || c.Resumed || c.Epoch != epoch {
		t.Errorf("over the WebSocket it is told %+v", c)
	}
}
