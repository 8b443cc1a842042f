package systemd

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/program"
)

// handoverTime is how long is waited for what must come.
const handoverTime = 20 * time.Second

// handoverConfig has a chat whose limits do not stand in the way. The port is the
// manager's to keep.
const handoverConfig = `
data_dir = "data"
drain = "3s"
log {
  level = "debug"
  access { off = true }
}
accounts { registration = "open" }
service "chat" "talk" {
  limits {
    connections = 1000
    sends       = 100000
    burst       = 100000
    calls       = 100000
    sign_ups    = 100000
  }
}
listener "talk" {
  address = "127.0.0.1:0"
  service = service.chat.talk
}
`

// address is where the program listens; a restart does not change it.
func (m *manager) address(listener string) (url string) {
	m.t.Helper()
	await(m.t, "the log says where "+listener+" listens", func() bool {
		for l := range strings.Lines(m.said()) {
			if _, rest, ok := strings.Cut(l, `"urls":["`); ok && strings.Contains(l, `"listener":"`+listener+`"`) {
				url, _, _ = strings.Cut(rest, `/"`)
			}
		}
		return url != ""
	})
	return url
}

func (m *manager) startChats(users, devices int, pace time.Duration) *chats {
	m.t.Helper()
	c := &chats{url: m.address("talk"), pace: pace}
	if err := c.start(users, devices, 0); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.over() })
	await(m.t, "everybody is there", func() bool { return c.online() == users*devices })
	c.write()
	return c
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(handoverTime); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", handoverTime, what)
		}
	}
}

// everybodyGets waits until n more messages were acknowledged.
func (c *chats) everybodyGets(t *testing.T, n int) {
	t.Helper()
	c.mu.Lock()
	want := c.tally.Acked + n
	c.mu.Unlock()
	await(t, "messages go on", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.tally.Acked >= want
	})
}

// TestWebSocketsOutliveTheProcess restarts the program while people write: no
// connection ends, nobody connects again, and nothing is lost or comes twice.
func TestWebSocketsOutliveTheProcess(t *testing.T) {
	users, devices, restarts, pace := 10, 20, 3, 50*time.Millisecond
	if os.Getenv(longVar) != "" {
		users, devices, restarts, pace = 100, 50, 20, 2*time.Second
	}
	m := newManager(t, program.Shipped(t), handoverConfig)
	m.start()
	c := m.startChats(users, devices, pace)
	var longest time.Duration
	for range restarts {
		c.everybodyGets(t, 50)
		begun := time.Now()
		m.restart()
		longest = max(longest, time.Since(begun))
	}
	c.everybodyGets(t, 50)
	acked := c.nothingLost(t)
	if c.tally.Plain.Cut+c.tally.Failed > 0 || c.connects.Load() != int64(users*devices) {
		t.Errorf("%d connections were cut, %d attempts failed, %d times somebody connected", c.tally.Plain.Cut, c.tally.Failed, c.connects.Load())
	}
	await(t, "what held connections is dropped", func() bool {
		return !slices.ContainsFunc(m.names(), func(n string) bool { return strings.HasPrefix(n, "frozen-") })
	})
	t.Logf("%d connections over %d restarts, the longest of %v; %d messages, the longest until acknowledged %v",
		users*devices, restarts, longest.Round(time.Millisecond), acked, c.tally.Plain.Longest.Round(time.Millisecond))
}

// TestKilledAmidHandingOver kills the program at moments of its stop: whose
// connection was not sent yet loses it, and resumes; nothing else is lost.
func TestKilledAmidHandingOver(t *testing.T) {
	m := newManager(t, program.Shipped(t), handoverConfig)
	m.start()
	c := m.startChats(10, 20, 50*time.Millisecond)
	for i := range 5 {
		c.everybodyGets(t, 20)
		if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 4 * time.Millisecond) // it stops in some 20 ms
		if err := m.stop(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		m.start()
		await(t, "everybody is back", func() bool { return c.online() == 200 })
	}
	c.everybodyGets(t, 50)
	c.nothingLost(t)
}

// TestNobodyKeepsConnections restarts where the manager has no room: clients are
// told to come back, and miss nothing.
func TestNobodyKeepsConnections(t *testing.T) {
	m := newManager(t, program.Shipped(t), handoverConfig)
	m.start()
	c := m.startChats(2, 10, 50*time.Millisecond)
	c.everybodyGets(t, 20)
	m.mu.Lock()
	m.full = true
	m.mu.Unlock()
	m.restart()
	await(t, "everybody is back", func() bool { return c.online() == 20 && c.connects.Load() >= 40 })
	c.everybodyGets(t, 20)
	c.nothingLost(t)
	if codes, cut := int(c.codes.Load()), c.tally.Plain.Cut; codes < 20 || codes != cut {
		t.Errorf("%d connections ended, %d with a line that says why", cut, codes)
	}
}

// nothingLost ends the chats and looks at what everybody got.
func (c *chats) nothingLost(t *testing.T) (acked int) {
	t.Helper()
	acked, lost, faults := c.end()
	if lost > 0 || len(faults) > 0 {
		t.Errorf("%d of %d messages lost: %q", lost, acked, faults)
	}
	return acked
}
