// Package soak_test runs everything at once for a while, with reloads and rude
// clients amid it, and looks whether anything fails, and whether memory,
// descriptors and goroutines stay what they were. `make soak` runs it long and
// writes docs/reliability.md's table.
package soak_test

import (
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

var (
	lasts = flag.Duration("soak", 12*time.Second, "how long the load lasts")
	page  = flag.String("page", "", "a file to write the table into")
)

const patience = 30 * time.Second

// everything is the configuration; it lacks what reloads change, and the folder.
const everything = `
data_dir = "data"
log {
  level  = "warn"
  access { file = "access.log" }
}
accounts { registration = "open" }
service "chat" "talk" {}
service "photos" "snaps" {}
service "images" "pictures" {
  root       = "pictures"
  cache_size = "4MiB"
}
service "static" "site" { root = "site" }
service "respond" "hello" { body = "hello" }
service "echo" "echo" {}
service "proxy" "front" { upstreams = ["unix:%[2]s/hello.sock"] }
service "tcp" "relay" { upstreams = ["unix:%[2]s/echo.sock"] }
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.talk
}
listener "photos" {
  address = "127.0.0.1:0"
  service = service.photos.snaps
}
listener "pictures" {
  address = "127.0.0.1:0"
  service = service.images.pictures
}
listener "web" {
  address = "127.0.0.1:0"
  route {
    path    = "/proxied"
    service = service.proxy.front
  }
  route {
    protocol = "ssh"
    service  = service.tcp.relay
  }
  service = service.static.site
  timeouts { header = "10s" }
}
listener "secure" {
  address = "127.0.0.1:0"
  service = service.static.site
  tls {
    self_signed = true
  }
}
listener "hello" {
  address = "unix:hello.sock"
  service = service.respond.hello
}
listener "echo" {
  address = "unix:echo.sock"
  route {
    protocol = "any"
    service  = service.echo.echo
  }
}
%[1]s`

// first is what the daemon starts with, until there are folders to serve.
const first = `
data_dir = "data"
accounts { registration = "open" }
service "respond" "hello" { body = "hello" }
listener "hello" {
  address = "unix:hello.sock"
  service = service.respond.hello
}
`

// config is the configuration at the n-th reload.
func (r *run) config(n int) string { return fmt.Sprintf(everything, changed(n), r.d.Dir) }

// changed is what the n-th reload adds.
func changed(n int) string {
	switch n % 3 {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("service \"respond\" \"more\" { body = \"%d\" }\nlistener \"more\" {\n  address = \"127.0.0.1:0\"\n  service = service.respond.more\n}\n", n)
	}
	return "service \"echo\" \"more\" {}\nlistener \"raw\" {\n  address = \"[::1]:0\"\n  service = service.echo.more\n}\n"
}

// A run is a daemon and the load on it.
type run struct {
	t    *testing.T
	d    *testkit.Daemon
	stop chan struct{}
	work sync.WaitGroup

	mu    sync.Mutex
	done  map[string]*atomic.Int64 // what was done, by name; guarded by mu
	wrong int                      // guarded by mu
}

// count counts something that was done.
func (r *run) count(what string) {
	r.mu.Lock()
	n := r.done[what]
	if n == nil {
		n = new(atomic.Int64)
		r.done[what] = n
	}
	r.mu.Unlock()
	n.Add(1)
}

func (r *run) names() []string { return slices.Sorted(maps.Keys(r.done)) }

// fail reports what went wrong, ten times at most.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong++; r.wrong <= 10 {
		r.t.Errorf("%s", cut(fmt.Sprintf(format, args...), 500))
	}
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// each does something again and again, with a rest after each time.
func (r *run) each(what string, rest time.Duration, do func(n int) error) {
	r.work.Go(func() {
		for n := 0; ; n++ {
			if err := do(n); err != nil {
				r.fail("%s: %v", what, err)
			} else {
				r.count(what)
			}
			select {
			case <-r.stop:
				return
			case <-time.After(rest/2 + rand.N(rest)):
			}
		}
	})
}

func TestSoak(t *testing.T) {
	r := &run{t: t, d: testkit.StartBinary(t, program.Shipped(t), first), stop: make(chan struct{}), done: map[string]*atomic.Int64{}}
	r.files()
	if res := r.d.Reload(r.config(0)); !res.OK {
		t.Fatalf("%s %s", res.Error, res.Text)
	}
	r.chat()
	r.photos()
	r.web()
	r.rude()
	r.operator()

	var samples []sample
	begun := time.Now()
	for time.Since(begun) < *lasts {
		time.Sleep(min(time.Second, *lasts/12))
		samples = append(samples, r.sample(time.Since(begun)))
	}
	close(r.stop)
	r.work.Wait()
	r.judge(samples)
	if code := r.d.Stop(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	for line := range strings.Lines(r.d.Log()) {
		bad := strings.Contains(line, "A closing brace is missing") // as it should be
		if strings.Contains(line, `"level":"error"`) && !bad || strings.Contains(line, "panic") {
			t.Errorf("the log: %s", cut(line, 1000))
		}
	}
}

// judge looks whether anything grows, and writes the page.
func (r *run) judge(samples []sample) {
	r.t.Helper()
	var verdicts []verdict
	for _, m := range measures {
		v := m.judge(samples)
		verdicts = append(verdicts, v)
		r.t.Logf("%s: %.0f, then %.0f; %+.1f an hour in the second half, noise %.1f", v.name, v.early, v.late, v.hourly, v.noise)
		if v.wrong != "" {
			r.t.Error(v.wrong)
		}
	}
	if *page != "" {
		r.write(samples, verdicts)
	}
	for _, what := range r.names() {
		r.t.Logf("%8d %s", r.done[what].Load(), what)
	}
}

// files makes what static and images serve.
func (r *run) files() {
	r.d.Write("site/index.html", "<!doctype html><title>soak</title>")
	r.d.Write("site/large.bin", strings.Repeat("0123456789abcdef", 32<<10))
	img := image.NewYCbCr(image.Rect(0, 0, 1200, 800), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i/1200 + i%1200/4)
	}
	for i := range 4 {
		file := filepath.Join(r.d.Dir, "pictures", fmt.Sprintf("%d.jpg", i))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		f, err := os.Create(file)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := jpeg.Encode(f, img, &jpeg.Options{Quality: 60 + 5*i}); err != nil {
			r.t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
}
