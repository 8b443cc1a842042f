package options_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

const programs = `
variable "bin" {}
variable "dir" {}
service "process" "web" {
  command          = [var.bin, "child", "one"]
  dir              = "${var.dir}/here"
  env              = { WORD = "hello", GORACE = "atexit_sleep_ms=0" }
  pass             = "socket"
  stop_signal      = "SIGUSR1"
  response_timeout = "200ms"
  health {
    path     = "/mostly"
    interval = "30ms"
    failures = 5
  }
}
service "process" "raw" {
  command      = [var.bin, "child"]
  env          = { GORACE = "atexit_sleep_ms=0" }
  raw          = true
  idle_timeout = "200ms"
}
service "process" "watched" {
  command = [var.bin, "child", "${var.dir}/watched"]
  env     = { WORD = "before", GORACE = "atexit_sleep_ms=0" }
  drain   = "200ms"
  restart { watch = true }
}
service "process" "stubborn" {
  command      = [var.bin, "child"]
  env          = { STUBBORN = "yes", GORACE = "atexit_sleep_ms=0" }
  stop_timeout = "300ms"
}
service "process" "hangs" {
  command = [var.bin, "child"]
  env     = { GORACE = "atexit_sleep_ms=0" }
  health {
    path     = "/first"
    interval = "30ms"
    timeout  = "100ms"
    failures = 1000
  }
}
`

// option: process.command process.dir process.env process.pass process.raw process.stop_signal process.stop_timeout
// option: process.drain process.response_timeout process.idle_timeout process.restart.watch
// option: process.health.path process.health.interval process.health.failures process.health.timeout
func TestProcess(t *testing.T) {
	t.Parallel()
	dir := files(t, "here/", "", "watched", "one")
	config := programs + port("process", "web", "raw", "watched", "stubborn", "hangs")
	d := start(t, config, "bin", program(t), "dir", dir)
	web := d.URL("web")
	a := get(t, web)
	a.is(t, http.StatusOK, "")
	a.says(t, `^pid=\d+ dir=here word=hello unix=true args=child,one$`)
	get(t, web+"/never").is(t, http.StatusGatewayTimeout, "")

	c := dial(t, d.Addr("raw"))
	send(t, c, "not HTTP\r\n\r\n")
	if got := line(t, c); got != "HTTP/1.1 400 Bad Request\r" {
		t.Errorf("the program says %q", got)
	}
	idle := dial(t, d.Addr("raw"))
	send(t, idle, "not HTTP") // the program waits for the end of the line
	closes(t, idle)

	drains(t, d, config)
	if err := os.WriteFile(filepath.Join(dir, "watched"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := get(t, d.URL("watched")).body
	d.Eventually("a new program, for a new file", func() bool { return get(t, d.URL("watched")).body != before })

	// By default three checks that fail would have had it replaced.
	d.Eventually("enough checks", func() bool {
		n, _ := strconv.Atoi(get(t, web+"/checks").body)
		return n > 12
	})
	if again := get(t, web).body; again != a.body {
		t.Errorf("it was replaced: %s, then %s", a.body, again)
	}
	if m := d.Find(`a check took (true|false)`); m[1] != "false" {
		t.Error("a check took the default time")
	}
	get(t, d.URL("stubborn")).is(t, http.StatusOK, "")
	begin := time.Now()
	d.Stop()
	if took := time.Since(begin); took > 9*time.Second { // the default is 10s
		t.Errorf("stopping took %v", took)
	}
	d.Find(`"service":"process.web".*it got user defined signal 1`)
}

// drains reloads the config with a program changed that has a request.
func drains(t *testing.T, d *testkit.Daemon, config string) {
	t.Helper()
	get(t, d.URL("watched")).says(t, "word=before")
	done := make(chan int, 1)
	go func() {
		a, err := try(t, client, http.MethodPost, d.URL("watched")+"/never", "") // a GET would go to the next program
		if err != nil {
			done <- 0
			return
		}
		done <- a.StatusCode
	}()
	d.Find(`"service":"process.watched".*asked for nothing`)
	begin := time.Now()
	if r := d.Reload(strings.Replace(config, `"before"`, `"after"`, 1)); !r.OK {
		t.Fatal(r.Text)
	}
	got := receive(t, done)
	if took := time.Since(begin); got == http.StatusOK || took > 9*time.Second { // the default is 10s
		t.Errorf("after %v: %d", took, got)
	}
	get(t, d.URL("watched")).says(t, "word=after")
}

// Until it is decided whether a program can be started the daemon takes its time
// to say how it is; hence the short start_timeout.
const shells = `
variable "bin" {}
service "process" "limits" {
  command = ["/bin/sh", "-c", "echo memory $(ulimit -v) files $(ulimit -n) cpu $(ulimit -t); exec sleep 1000"]
  limits {
    memory = "64MiB"
    files  = 50
    cpu    = "90s"
  }
  health { start_timeout = "300ms" }
}
service "process" "user" {
  command = ["/bin/sh", "-c", "echo I am $(id -un); exec sleep 1000"]
  user    = "nobody"
  health { start_timeout = "300ms" }
}
service "process" "talks" {
  command  = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo 1; echo 2; echo 3; echo 4; echo 5; done; exec sleep 1000"]
  log_rate = 1
  health { start_timeout = "300ms" }
}
service "process" "soon" {
  command = ["/bin/sh", "-c", "echo soon; exit 1"]
  restart { delay = "1ms" }
}
service "process" "often" {
  command = ["/bin/sh", "-c", "echo often; exit 1"]
  restart { max_delay = "120ms" }
}
service "process" "proven" {
  command = [var.bin, "child"]
  env     = { BRIEF = "yes", GORACE = "atexit_sleep_ms=0" }
  restart {
    delay = "400ms"
    reset = "1ms"
  }
}
service "process" "mute" {
  command = ["/bin/sh", "-c", "exec sleep 1000"]
  health { start_timeout = "200ms" }
}
service "process" "short" {
  command = ["/bin/sh", "-c", "exec sleep 1000"]
  queue { timeout = "200ms" }
  health { start_timeout = "300ms" }
}
service "process" "full" {
  command = ["/bin/sh", "-c", "exec sleep 1000"]
  queue { requests = 1 }
  health { start_timeout = "300ms" }
}
`

// option: process.limits.memory process.limits.files process.limits.cpu process.user process.log_rate
// option: process.restart.delay process.restart.max_delay process.restart.reset process.health.start_timeout
// option: process.queue.timeout process.queue.requests
func TestProcessShells(t *testing.T) {
	t.Parallel()
	// Most of them are never ready, and neither is a daemon that starts with them.
	d := start(t, port("echo", "e")+`service "echo" "e" {}`, "bin", program(t))
	if r := d.Reload(shells + port("process", "limits", "user", "talks", "soon", "often", "proven", "mute", "short", "full")); !r.OK {
		t.Fatal(r.Text)
	}
	count := func(name string) float64 { return d.Metric(`portico_process_` + name) }
	begin := time.Now()
	get(t, d.URL("short")).is(t, http.StatusServiceUnavailable, "")
	if took := time.Since(begin); took > 9*time.Second { // the default is 10s
		t.Errorf("it waited for %v", took)
	}
	waits := dial(t, d.Addr("full"))
	send(t, waits, hello)
	d.Eventually("a request waits", func() bool { return count(`waiting_requests{service="process.full"}`) == 1 })
	get(t, d.URL("full")).is(t, http.StatusServiceUnavailable, "")
	if count(`waiting_requests{service="process.full"}`) != 1 {
		t.Error("the queue was not full")
	}
	_ = waits.(*net.TCPConn).SetLinger(0)
	_ = waits.Close()

	d.Find(`memory 65536 files 50 cpu 90`)
	if os.Geteuid() == 0 {
		d.Find(`I am nobody`)
	} else {
		d.Find(`cannot start a program as nobody`)
	}
	d.Eventually("lines are left out", func() bool { return count(`dropped_lines_total{service="process.talks"}`) >= 30 })
	// With the defaults so many starts take longer than is waited.
	for name, n := range map[string]int{"soon": 10, "often": 12, "proven": 7} {
		d.Eventually(name+" starts again and again", func() bool {
			return strings.Count(d.Log(), `"message":"`+name+`"`) >= n
		})
	}
	d.Eventually("it took too long to be ready", func() bool { return count(`failed_starts_total{service="process.mute"}`) > 0 })
}
