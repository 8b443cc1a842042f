// Package node_test runs the example with the Node.js of the machine.
package node_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/cli"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run starts the example's own files with changes (from, to, from, to), on a
// port that is free. It returns the daemon and its config.
func run(t *testing.T, change ...string) (*testkit.Daemon, string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("this test needs Node.js, the program node in PATH; test/setup installs it")
	}
	changed := strings.NewReplacer(append([]string{"127.0.0.1:7200", "127.0.0.1:0"}, change...)...)
	config := changed.Replace(read(t, "config.hcl"))
	return testkit.Start(t, testkit.App(), config, "server.js", changed.Replace(read(t, "server.js"))), config
}

// get makes one request that must succeed.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %q %v", url, res.Status, b, err)
	}
	return string(b)
}

// load makes requests until it is stopped, some on new connections. Each must
// succeed.
func load(t *testing.T, url string) (count *atomic.Int64, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	count = new(atomic.Int64)
	var clients sync.WaitGroup
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		clients.Go(func() {
			for ; ctx.Err() == nil; count.Add(1) {
				res, err := client.Post(url, "text/plain", strings.NewReader("a body"))
				if err != nil {
					t.Errorf("under load: %v", err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(b), "Node.js") {
					t.Errorf("under load: %s %q %v", res.Status, b, err)
					return
				}
			}
			client.CloseIdleConnections()
		})
	}
	return count, func() { cancel(); clients.Wait() }
}

// A reload that changes the program replaces it under load without a failed
// request, however it is told where to listen.
func TestReplacedUnderLoad(t *testing.T) {
	for pass, change := range map[string][]string{
		"port":   {},
		"socket": {},
		"fd":     {"process.env.PORT, process.env.HOST", "{ fd: 3 }"},
	} {
		t.Run(pass, func(t *testing.T) {
			d, config := run(t, append(change, `dir     = "."`, "dir = \".\"\npass = \""+pass+`"`)...)
			url := d.URL("hello")
			count, stop := load(t, url)
			defer stop()
			for _, greeting := range []string{"Guten Tag", "Bonjour"} {
				before := count.Load()
				d.Reload(strings.ReplaceAll(config, "Good day", greeting))
				d.Eventually("the new one answers", func() bool { return strings.HasPrefix(get(t, url), greeting) })
				d.Eventually("the load goes on", func() bool { return count.Load() > before+20 || t.Failed() })
			}
			stop()
			d.Eventually("the old ones have ended", func() bool {
				return strings.Count(d.Log(), "the replaced program ended") == 2
			})
			if strings.Contains(d.Log(), "drain time is over") {
				t.Error("a replaced program was stopped with requests in progress")
			}
		})
	}
}

// A new server.js is taken over under load; a broken one is not.
func TestNewFileUnderLoad(t *testing.T) {
	d, _ := run(t)
	url := d.URL("hello")
	_, stop := load(t, url)
	defer stop()
	d.Write("server.js", strings.ReplaceAll(read(t, "server.js"), "from Node.js", "from a new file on Node.js"))
	d.Eventually("the new one answers", func() bool { return strings.Contains(get(t, url), "a new file") })
	d.Write("server.js", "this is no JavaScript")
	d.Eventually("the status tells", func() bool {
		s := d.Status()
		return !s.Ready && strings.Contains(s.Degraded, "the one from before goes on")
	})
	if got := get(t, url); !strings.Contains(got, "a new file") {
		t.Errorf("%q", got)
	}
	d.Find("SyntaxError") // Node.js says why, in the log
}

// The commands of the README reach the daemon that runs the example.
func TestCommandsOfTheReadme(t *testing.T) {
	d, _ := run(t)
	commands := regexp.MustCompile("`bin/portico ([^`]+)`").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(commands) < 2 {
		t.Fatalf("the README has only %q", commands)
	}
	for _, c := range commands {
		var out bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(c[1], "examples/node/config.hcl", d.File()))
		if status := cli.Run(t.Context(), testkit.App(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}, args); status != 0 {
			t.Errorf("portico %s: exit status %d\n%s", c[1], status, out.String())
		}
	}
}

// Who asks while the program is started again waits a moment.
func TestCrash(t *testing.T) {
	d, _ := run(t)
	url := d.URL("hello")
	before := get(t, url)
	res, err := http.Post(url+"/crash", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadGateway {
		t.Error(res.Status)
	}
	if after := get(t, url); after == before {
		t.Errorf("the same process answers: %q", after)
	}
}
