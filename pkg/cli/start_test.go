package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
)

// slow is a kind whose services take their time to open.
type slow struct {
	opening chan struct{} // closed when Open was called
	open    chan struct{} // lets Open return
}

type slowConfig struct{}

type slowService struct{ http.Handler }

func (slowService) Close() error  { return nil }
func (*slow) Kind() string        { return "slow" }
func (*slow) Default() slowConfig { return slowConfig{} }
func (s *slow) Open(context.Context, service.Env, slowConfig) (slowService, error) {
	close(s.opening)
	<-s.open
	return slowService{http.NotFoundHandler()}, nil
}

const slowFile = `
service "slow" "s" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.slow.s
}
`

// A signal during the start is heard: the daemon ends as soon as it can, and
// at once on the second signal.
func TestSignalDuringStart(t *testing.T) {
	spare := make(chan os.Signal, 1)
	signal.Notify(spare, syscall.SIGTERM) // one too many does not end the test
	defer signal.Stop(spare)
	for _, twice := range []bool{false, true} {
		kind := &slow{make(chan struct{}), make(chan struct{})}
		scene(t, "config.hcl", slowFile)
		var out, log bytes.Buffer
		status := make(chan int, 1)
		go func() {
			app := testkit.App(service.KindOf[slowConfig, slowService](kind))
			status <- cli.Run(context.Background(), app, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &log}, []string{"run"})
		}()
		<-kind.opening
		want := 0
		again := make(<-chan time.Time) // never
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		if twice {
			want = 1
			// Two that are not yet delivered are one, so more are sent.
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			again = tick.C
		} else {
			close(kind.open)
		}
		got, late := -1, time.After(testkit.Patience)
		for got < 0 {
			select {
			case got = <-status:
			case <-again:
				syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
			case <-late:
				t.Fatal("it did not end")
			}
		}
		if got != want {
			t.Errorf("second signal %v: exit status %d, want %d\n%s", twice, got, want, log.String())
		}
		if twice {
			close(kind.open)
		}
	}
}

// The file may change while the daemon starts with what it was: a SIGHUP that
// comes then is heeded when it has started.
func TestReloadDuringStart(t *testing.T) {
	spare := make(chan os.Signal, 1)
	signal.Notify(spare, syscall.SIGHUP, syscall.SIGTERM)
	defer signal.Stop(spare)
	kind := &slow{make(chan struct{}), make(chan struct{})}
	scene(t, "config.hcl", slowFile)
	run := func(args ...string) (status int, out string) {
		var b, log bytes.Buffer
		app := testkit.App(service.KindOf[slowConfig, slowService](kind))
		status = cli.Run(context.Background(), app, cli.Streams{In: strings.NewReader(""), Out: &b, Err: &log}, args)
		return status, b.String() + log.String()
	}
	ended := make(chan string, 1)
	go func() {
		_, out := run("run")
		ended <- out
	}()
	<-kind.opening
	more := strings.Replace(slowFile, `"web"`, `"changed"`, 1)
	if err := os.WriteFile("config.hcl", []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(syscall.Getpid(), syscall.SIGHUP)
	<-spare
	close(kind.open)
	defer func() {
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(testkit.Patience):
			t.Error("it did not end")
		}
	}()
	wait.Right(t, func() string {
		_, out := run("status", "--json")
		if strings.Contains(out, `"changed"`) {
			return ""
		}
		return "the changed file is not served: " + out
	})
}
