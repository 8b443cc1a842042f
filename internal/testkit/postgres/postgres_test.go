package postgres

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// What was committed is there after every kind of end.
func TestEnds(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.SQL(t, "CREATE TABLE kept (id int)")
	for i, end := range []func(){
		func() { s.Restart(t) },
		func() { s.Stop(t, Immediate); s.Start(t) },
		func() { s.Kill(t); s.Start(t) },
		func() { s.Freeze(t); s.Thaw(t) },
	} {
		s.SQL(t, "INSERT INTO kept VALUES (1)")
		end()
		if got := s.SQL(t, "SELECT count(*) FROM kept"); got != string(rune('1'+i)) {
			t.Errorf("after end %d: %s rows", i, got)
		}
	}
}

// Tests have databases of their own on a common server.
func TestDatabases(t *testing.T) {
	t.Parallel()
	a, b := Database(t), Database(t)
	if a == b || !strings.HasPrefix(a, "postgres://portico@/test") {
		t.Errorf("%s and %s", a, b)
	}
}

// A process of tests that dies leaves neither a server nor a folder.
func TestOrphan(t *testing.T) {
	if os.Getenv("PGTEST_ORPHAN") != "" {
		s, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("dir " + s.dir + "\n")
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOrphan$")
	cmd.Env = append(os.Environ(), "PGTEST_ORPHAN=1")
	out, err := cmd.Output()
	_, rest, found := strings.Cut(string(out), "dir ")
	dir, _, _ := strings.Cut(rest, "\n")
	if err == nil || !found {
		t.Fatalf("%v\n%s", err, out)
	}
	wait.Until(t, "the folder is gone", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
	if ps, _ := exec.Command("ps", "-A", "-o", "args=").Output(); strings.Contains(string(ps), dir) {
		t.Error("the server still runs")
	}
}
