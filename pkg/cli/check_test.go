package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/program"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/hostcheck"
	"github.com/porticod/portico/pkg/probe"
)

// Every shape of port that check knows how to ask.
const shapes = `
service "respond" "web" { body = "web" }
service "echo" "echo" {}
service "chat" "chat" {}

listener "plain" {
  address = ["127.0.0.1:0", "[::1]:0", "unix:plain.sock"]
  service = service.respond.web
}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.chat
}
listener "echo" {
  address = "127.0.0.1:0"
  service = service.echo.echo
}
listener "secure" {
  address = "127.0.0.1:0"
  tls { self_signed = true }
  route {
    host    = ["chat.example.org"]
    service = service.chat.chat
  }
  route {
    path    = ["/echo/*"]
    service = service.echo.echo
  }
  service = service.respond.web
}
listener "split" {
  address = "127.0.0.1:0"
  route {
    protocol = "ssh"
    service  = service.echo.echo
  }
  route {
    protocol = "http2"
    service  = service.chat.chat
  }
  route {
    protocol = "tls"
    sni      = ["*.example.org"]
    service  = service.echo.echo
  }
  service = service.respond.web
}
listener "proxied" {
  address = "127.0.0.1:0"
  proxy_protocol { from = ["127.0.0.0/8"] }
  service = service.respond.web
}
listener "elsewhere" {
  address = "127.0.0.1:0"
  allow   = ["192.0.2.0/24"]
  service = service.respond.web
}
`

// Every port of a sound daemon passes, and the curl line that is shown gets the
// same answer.
func TestCheckAndItsCurlLines(t *testing.T) {
	d := testkit.Start(t, testkit.App(), shapes)
	status, stdout, stderr := portico("", "--config", d.File(), "check", "--json")
	if status != 0 {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	results := answer(t, stdout).Ports
	if len(results) != 14 {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		if r.Listener == "elsewhere" {
			if !r.Skipped {
				t.Errorf("a port that lets nobody in from here is not skipped: %+v", r)
			}
			continue
		}
		if !r.OK {
			t.Errorf("%+v", r)
		}
		tryCurl(t, r)
	}
}

// A checked is what check says to programs.
type checked struct {
	Ports []probe.Result
	Host  []hostcheck.Finding
}

func answer(t *testing.T, stdout string) (c checked) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return c
}

// Programs are told of the host what people are, with the remedies; of the open
// files by the daemon itself. What was not asked for is not there.
func TestCheckHost(t *testing.T) {
	fakeUnit(t, "LoadState=not-found")
	d := testkit.Start(t, testkit.App(), hello)
	_, stdout, _ := portico("", "--config", d.File(), "check", "--host", "--json")
	got := answer(t, stdout)
	_, text, _ := portico("", "--config", d.File(), "check", "--host")
	var seen []string
	for _, f := range got.Host {
		seen = append(seen, f.Check)
		shown := fmt.Sprintf("%s: %s: %s.\n  %s\n", f.Level, f.Check, f.Found, f.Remedy)
		counted := f.Check == "disk" || f.Check == "open files" // and never twice the same
		if !counted && strings.Contains(text, shown) == (f.Level == hostcheck.OK) {
			t.Errorf("%+v and\n%s", f, text)
		}
		if f.Check == "open files" && !strings.Contains(f.Found, "the daemon has ") {
			t.Errorf("%+v", f)
		}
	}
	if want := []string{"open files", "disk", "clock"}; !slices.Equal(seen, want) || got.Ports != nil {
		t.Errorf("%q, want %q\n%s", seen, want, stdout)
	}
	_, stdout, _ = portico("", "--config", d.File(), "check", "--json", "web")
	if got := answer(t, stdout); len(got.Ports) != 1 || got.Host != nil {
		t.Errorf("of one listener: %s", stdout)
	}
}

func tryCurl(t *testing.T, r probe.Result) {
	t.Helper()
	if !strings.Contains(r.Curl, "curl ") {
		return // TLS that is passed through: curl has no way
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", r.Curl+" 2>&1").CombinedOutput()
	_, status, _ := strings.Cut(r.Result, " ")
	want := status // of an HTTP answer: 200 OK
	switch r.Probe {
	case "websocket":
		want = "101 Switching Protocols"
		err = nil // it ends by its own limit of time
	case "raw":
		want, err = "portico check", nil // curl waits for more, until its limit
	case "connect":
		want, err = "SSH-2.0-portico_check", nil
	}
	if strings.HasPrefix(r.Result, "HTTP/2") {
		want, _, _ = strings.Cut(status, " ") // HTTP/2 has no reason phrase
	}
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %s: %v, want %q in\n%s", r.Listener, r.Curl, err, want, out)
	}
}

// One port that does not answer is named, and the exit status says so.
func TestCheckFails(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	d.Write("config.hcl", hello+"listener \"new\" {\n  address = \"127.0.0.1:0\"\n  service = service.respond.hello\n}\n") // and no reload
	status, stdout, _ := portico("", "--config", d.File(), "check")
	if status != 1 || !strings.Contains(stdout, "FAILED: the port is picked at start") || !strings.Contains(stdout, "2 checked, 1 failed") {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
	if status, _, _ := portico("", "--config", d.File(), "check", "web"); status != 0 {
		t.Errorf("a check of the other listener: exit status %d", status)
	}
}

// Of a port whose service is not well the daemon is asked why, and people and
// programs are told what to do.
func TestCheckRemedy(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	r := d.Reload(`
service "process" "app" {
  command = ["sh", "-c", "exit 3"]
  queue { timeout = "1s" }
}
listener "web" {
  address = "127.0.0.1:0"
  service = service.process.app
}
`)
	if !r.OK {
		t.Fatalf("%+v", r)
	}
	d.Eventually("the program has ended", func() bool { return strings.Contains(d.Status().Services[0].Health, "status 3") })
	status, stdout, _ := portico("", "--config", d.File(), "check", "--json", "web")
	results := answer(t, stdout).Ports
	if status != 1 || len(results) != 1 || results[0].OK {
		t.Fatalf("exit status %d, %s", status, stdout)
	}
	if says := results[0].Remedy; !strings.HasPrefix(says, "service.process.app: ") || !strings.Contains(says, "it ended with status 3 before it was ready; its output is in the log") {
		t.Errorf("%+v", results[0])
	}
	status, stdout, _ = portico("", "--config", d.File(), "check", "web")
	shown := regexp.MustCompile(`\nFAILED: web, 127\.0\.0\.1:\d+, process\.app: [^\n]+\.\n  service\.process\.app: [^\n]*it ended with status 3 before it was ready; its output is in the log\n\n1 checked, 1 failed\n`)
	if status != 1 || !shown.MatchString(stdout) {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
}

// A program that is still starting is waited for, longer than a request would be.
func TestCheckWaitsForAProgramThatStarts(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	d.Write("child.hcl", `data_dir = "child"
service "respond" "web" { body = "hello" }
listener "web" {
  address = "127.0.0.1:${env("PORT", "0")}"
  service = service.respond.web
}
`)
	r := d.Reload(fmt.Sprintf(`data_dir = "data"
service "process" "app" {
  command = ["/bin/sh", "-c", "until [ -e go ]; do sleep 0.05; done; exec %s run child.hcl"]
  dir     = "."
}
listener "app" {
  address = "127.0.0.1:0"
  service = service.process.app
}
`, program.Shipped(t)))
	if !r.OK {
		t.Fatalf("%s %s", r.Error, r.Text)
	}
	var out bytes.Buffer
	said, done := new(buffer.Buffer), make(chan int)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	go func() {
		done <- cli.Run(ctx, testkit.App(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: said}, []string{"check", "--config", d.File(), "--timeout", "20s", "app"})
	}()
	const want = "waiting for service.process.app, still starting; for 30s at most\n"
	d.Eventually("check says what it waits for", func() bool { return said.String() == want })
	d.Write("go", "")
	if status := <-done; status != 0 || !strings.Contains(out.String(), "1 checked, 0 failed") || said.String() != want {
		t.Errorf("exit status %d, %q\n%s", status, said.String(), out.String())
	}
}
