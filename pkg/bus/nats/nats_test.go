package nats_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/buffer"
	server "github.com/porticod/portico/internal/testkit/nats"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/bus/bustest"
	"github.com/porticod/portico/pkg/bus/nats"
)

func open(t *testing.T, url string) *nats.Bus {
	t.Helper()
	return openLogging(t, url, zerolog.Nop())
}

func openLogging(t *testing.T, url string, log zerolog.Logger) *nats.Bus {
	t.Helper()
	target, err := nats.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nats.Open(target, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBus(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	n := 0
	bustest.Run(t, func(t *testing.T) (a, b bus.Bus) {
		n++ // each test is a cluster of its own, as the contract wants an empty bus
		url := fmt.Sprintf("%s?cluster=test-%d", s.URL, n)
		return open(t, url), open(t, url)
	})
}

func TestClustersAreApart(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	a, b, c := open(t, s.URL), open(t, s.URL), open(t, s.URL+"?cluster=other")
	e := bustest.Listen(t, b, a, "x")
	c.Publish("x", []byte("from elsewhere"))
	d := open(t, s.URL+"?cluster=other")
	bustest.Listen(t, d, c, "y") // so what c said before was handed out
	a.Publish("x", []byte("from a"))
	e.Wait(t, "from a")
}

func TestServerComesBack(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	var log buffer.Buffer
	a, b := openLogging(t, s.URL, zerolog.New(&log)), open(t, s.URL)
	e := bustest.Listen(t, b, a, "x")
	s.Stop()
	wait.Until(t, "the bus is away", func() bool { return !a.Healthy() && !b.Healthy() })
	s.Run()
	wait.Until(t, "the bus is back", func() bool { return a.Healthy() && b.Healthy() })
	// Until the subscription is there again something may be lost.
	wait.Until(t, "a message gets through", func() bool {
		a.Publish("x", []byte("back"))
		return slices.Contains(e.Heard(), "back")
	})
	for _, want := range []string{"the bus is away", "the bus is there"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log.String())
		}
	}
}

// What is published while the server is away for a moment arrives, in order.
func TestShortAbsence(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	a, b := open(t, s.URL), open(t, s.URL)
	e := bustest.Listen(t, b, a, "x")
	late := a.Stats().Unsent
	s.Link.Stall(true)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		a.Publish("x", []byte(want[i]))
	}
	s.Link.Stall(false)
	if a.Stats().Unsent == late { // always, but where the machine slept for seconds
		e.Wait(t, want...)
	}
}

func TestOpenWithoutServer(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	s.Stop()
	a, b := open(t, s.URL), open(t, s.URL)
	if a.Healthy() {
		t.Error("healthy without a server")
	}
	heard := make(chan struct{}, 100)
	defer b.Subscribe("x", func([][]byte) { heard <- struct{}{} })()
	s.Run()
	wait.Until(t, "a subscription from before hears something", func() bool {
		a.Publish("x", []byte("hello"))
		return len(heard) > 0
	})
}

// Publish does not block, whatever the server does, and what is too much is
// dropped and counted.
func TestStalledServer(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	a, b := open(t, s.URL), open(t, s.URL)
	e := bustest.Listen(t, b, a, "x")
	s.Link.Stall(true)
	began := time.Now()
	for range 300 { // 75 MiB: more than sockets and queues hold
		a.Publish("x", bytes.Repeat([]byte("x"), 256<<10))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("publishing took %v", took)
	}
	if n := a.Stats().Unsent; n == 0 {
		t.Error("nothing was dropped")
	}
	wait.Until(t, "the stall is noticed", func() bool { return !a.Healthy() })
	s.Link.Stall(false)
	wait.Until(t, "the bus is back", func() bool { return a.Healthy() && b.Healthy() })
	wait.Until(t, "a message gets through", func() bool {
		a.Publish("x", []byte("back"))
		return slices.Contains(e.Heard(), "back")
	})
}

// What waited for longer than a few seconds is old news, and not sent.
func TestOldNews(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	a := open(t, s.URL)
	s.Stop()
	wait.Until(t, "the bus is away", func() bool { return !a.Healthy() })
	a.Publish("x", []byte("old"))
	wait.Until(t, "it is given up", func() bool { return a.Stats().Unsent == 1 })
}

func TestServerTakesLess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := dir + "/nats.conf"
	writeFile(t, file, "max_payload: 1000\n")
	s := server.Start(t, "-c", file)
	a, b := open(t, s.URL), open(t, s.URL)
	e := bustest.Listen(t, b, a, "x")
	a.Publish("x", make([]byte, 1001))
	a.Publish("x", []byte("small"))
	e.Wait(t, "small")
	if n := a.Stats().TooLarge; n != 1 {
		t.Errorf("%d messages counted as too large", n)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	s := server.Start(t, "--user", "portico", "--pass", "s3cret")
	host := strings.TrimPrefix(s.URL, "nats://")
	var log buffer.Buffer
	wrong := openLogging(t, "nats://portico:guess@"+host, zerolog.New(&log))
	if wrong.Healthy() {
		t.Error("healthy with a wrong password")
	}
	right := open(t, "nats://portico:s3cret@"+host)
	wait.Until(t, "the right password works", right.Healthy)
	if strings.Contains(log.String(), "guess") {
		t.Errorf("the log has a password: %s", log.String())
	}
}

// Close sends what waits.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	s := server.Start(t)
	b := open(t, s.URL)
	target, err := nats.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	a, err := nats.Open(target, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	e := bustest.Listen(t, b, a, "x")
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprint(i))
		a.Publish("x", []byte(want[i]))
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	e.Wait(t, want...)
	a.Publish("x", []byte("too late"))
	a.Subscribe("x", func([][]byte) {})()
	if a.Stats().Unsent != 1 {
		t.Errorf("%+v after one message to a closed bus", a.Stats())
	}
}
