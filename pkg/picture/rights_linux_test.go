package picture_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/picture"
)

const withRights = "PICTURE_TEST_WITH_RIGHTS"

// A worker inherits nothing of what systemd gave portico (AmbientCapabilities),
// and a thread that gave that up for it is not used for anything else.
func TestProcessesInheritNoRights(t *testing.T) {
	if os.Getenv(withRights) != "" {
		startsWithRights(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Log("only root can give rights")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), withRights+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_KILL}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func startsWithRights(t *testing.T) {
	const workers = 3
	far, _ := apart(t, picture.Options{Workers: workers, Time: time.Minute})
	b := asJPEG(t, scene(300, 200), 80)
	var all, done sync.WaitGroup
	all.Add(workers)
	job := picture.Job{Specs: []picture.Spec{{Width: 30}}, Each: func(picture.Variant) error { all.Done(); all.Wait(); return nil }}
	for range workers {
		done.Go(func() {
			if _, err := far.Make(context.Background(), bytes.NewReader(b), job); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := len(far.Waiting()); n != workers {
		t.Fatalf("%d workers wait", n)
	}
	if have := without(t, "*"); have != workers {
		t.Errorf("with %d workers %d threads have no rights to hand on", workers, have)
	}
	far.Tidy()
	// Threads that end are gone a moment later. The first one stays until the
	// program ends, but the runtime does not use it any more.
	first := without(t, strconv.Itoa(os.Getpid()))
	wait.Right(t, func() string {
		if n := without(t, "*"); n > first {
			return fmt.Sprintf("without workers %d threads have no rights to hand on", n)
		}
		return ""
	})
}

// without counts the threads that have no rights for what they start.
func without(t *testing.T, task string) (n int) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/" + task + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name) // an error means that it ended
		if err == nil && strings.Contains(string(b), "CapAmb:\t0000000000000000\n") {
			n++
		}
	}
	return n
}
