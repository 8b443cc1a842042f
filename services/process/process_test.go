package process_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/process"
	"github.com/porticod/portico/services/servicetest"
)

var kind = service.KindOf(process.Type{})

func TestContract(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(options string) string { return "command = [\"/bin/sh\"]\n" + options }
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Config:  body("http", "raw = true"),
		Changed: body("http", "raw = true\npass = \"socket\"", "WORD", "changed"),
		Bad: map[string]string{
			``:                                       `"command" is missing`,
			`command = []`:                           "no program",
			`command = [""]`:                         "no program",
			`command = ["no-such-program-anywhere"]`: "there is no program",
			`command = ["./none"]`:                   "no such file",
			`command = ["/"]`:                        "is a folder",
			fmt.Sprintf("command = [%q]", plain):     "not executable",
			with(`dir = "./none"`):                   "not there",
			with(`user = "nobody-of-that-name"`):     "no such user",
			with(`pass = "stdin"`):                   "is not one of",
			with(`stop_signal = "SIGSTOP"`):          "is not one of",
			with(`env = { PORT = "80" }`):            "portico sets this",
			with(`env = { HOST = "0.0.0.0" }`):       "portico sets this",
			with(`env = { LISTEN_FDS = "9" }`):       "portico sets this",
			with(`env = { NOTIFY_SOCKET = "/x" }`):   "portico sets this",
			with(`env = { WATCHDOG_USEC = "1" }`):    "portico sets this",
			with(`env = { "A B" = "1" }`):            "not a name",
			with(`stop_timeout = "0s"`):              "out of range",
			with(`drain = "48h"`):                    "out of range",
			with(`log_rate = -1`):                    "out of range",
			with(`health { path = "health" }`):       "not a path",
			with(`health { failures = 0 }`):          "out of range",
			with(`health { interval = "0s" }`):       "out of range",
			with(`restart { delay = "1m" }`):         "longer than the longest",
			with(`queue { requests = 1000000 }`):     "out of range",
			with(`limits { memory = "1KiB" }`):       "out of range",
			with(`limits { files = 3 }`):             "out of range",
			with(`limits { cpu = "10ms" }`):          "out of range",
			with(`shell = true`):                     "shell",
		},
		Paths:     []string{"/", "/none", "/query?a=%zz;b"},
		Streams:   streams,
		WebSocket: webSocket,
	})
}

func TestProbe(t *testing.T) {
	for options, want := range map[string]string{"": "http /", "raw = true": "connect ", `health { path = "/up" }`: "http /up"} {
		p := servicetest.MustDecode(t, kind, body("http", options)).Probe()
		if got := string(p.Kind) + " " + p.Path; got != want {
			t.Errorf("%s: %s, not %s", options, got, want)
		}
	}
}

var streams = []func(string) *http.Request{
	func(base string) *http.Request { return servicetest.Request("GET", base+"/stream") },
}

func webSocket(base string) *http.Request { return servicetest.Request("GET", base+"/ws") }

// The contract holds in every way of telling a program where to listen.
func TestContractOtherWays(t *testing.T) {
	for _, pass := range []string{"socket", "fd"} {
		t.Run(pass, func(t *testing.T) {
			option := "pass = \"" + pass + `"`
			servicetest.Run(t, servicetest.Suite{
				Kind:      kind,
				Config:    body("http", option),
				Changed:   body("http", option, "WORD", "changed"),
				Streams:   streams,
				WebSocket: webSocket,
			})
		})
	}
}

// Who asks while a program starts for the first time is not kept waiting.
func TestCheckWhileItStarts(t *testing.T) {
	t.Parallel()
	r := start(t, "silent", "stop_timeout = \"100ms\"")
	if err := r.check(); err == nil || !strings.Contains(err.Error(), "still starting") {
		t.Errorf("Check says %v", err)
	}
}
