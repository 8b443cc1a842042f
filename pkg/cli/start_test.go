package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
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
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		if twice {
			want = 1
			time.Sleep(10 * time.Millisecond) // two signals at once are one
			syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		} else {
			close(kind.open)
		}
		select {
		case got := <-status:
			if got != want {
				t.Errorf("second signal %v: exit status %d, want %d\n%s", twice, got, want, log.String())
			}
		case <-time.After(testkit.Patience):
			t.Fatal("it did not end")
		}
		if twice {
			close(kind.open)
		}
	}
}
