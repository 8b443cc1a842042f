// Package test tries the program as a whole: scripts against the real binary,
// and rules that the tree keeps. What one package can show alone is tested there.
package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/porticod/portico/internal/testkit/program"
)

// patience is how long a script waits for what it waits for.
const patience = 90 * time.Second

// TestScript runs *.txtar against the program, built with the race
// detector. Beside testscript's own commands they have:
//
//	start [-name NAME] [ARG...]   portico run ARG... in the background, ready when it returns; its output is in
//	                              NAME.out and NAME.log, NAME is daemon if not given. For each listener of the
//	                              daemon addr_LISTENER and url_LISTENER are set, the first of several.
//	signal SIGNAL [NAME]          TERM, HUP, INT, USR1, QUIT, KILL
//	terminate [NAME]              SIGTERM, and the exit status must be 0
//	wait-exit STATUS [NAME]       it ends by itself with that status
//	wait-ready                    until portico status is content; sets addr_ and url_ anew, after a reload say
//	exits STATUS PROGRAM ARG...   like exec, with that exit status exactly
//	eventually REGEXP PROGRAM ARG...   runs it until it succeeds and its stdout matches
//	send ADDRESS IN OUT           writes file IN to a raw connection, ends its side, keeps what comes back as OUT
//	log-has REGEXP [NAME]         waits until a line of NAME.log matches
//
// The daemon is found in the usual way: config.hcl in the folder of the script,
// or PORTICO_ADMIN.
func TestScript(t *testing.T) {
	bin := program.Racing(t)
	scripts, err := filepath.Glob("*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(script, ".txtar"), func(t *testing.T) {
			t.Parallel()
			p := params(bin)
			p.Files = []string{script}
			p.Deadline = time.Now().Add(4 * patience)
			testscript.Run(t, p)
		})
	}
}

func params(bin string) testscript.Params {
	return testscript.Params{
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(bin)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", "halt_on_error=0")
			s := &scene{daemons: map[string]*process{}}
			e.Values[sceneKey{}] = s
			e.Defer(func() { s.end(e.T()) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":      cmdStart,
			"signal":     cmdSignal,
			"terminate":  cmdTerminate,
			"wait-exit":  cmdWaitExit,
			"wait-ready": cmdWaitReady,
			"exits":      cmdExits,
			"eventually": cmdEventually,
			"log-has":    cmdLogHas,
			"send":       cmdSend,
		},
	}
}

// A scene is what one script has running.
type scene struct {
	mu      sync.Mutex
	daemons map[string]*process
}

type sceneKey struct{}

// A process is a portico that a script started.
type process struct {
	cmd  *exec.Cmd
	log  string // path of its stderr
	done chan struct{}
	err  error // valid after done
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// end kills what still runs, and looks for races that nobody asked about.
func (s *scene) end(t testscript.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.daemons)) {
		p := s.daemons[name]
		if !p.exited() {
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		log, _ := os.ReadFile(p.log)
		for _, bad := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
			if strings.Contains(string(log), bad) {
				t.Log(string(log))
				t.Fatal(name + ".log: " + bad)
			}
		}
	}
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

// daemonOf finds a daemon by the optional last argument of a command.
func daemonOf(ts *testscript.TestScript, args []string) *process {
	name := "daemon"
	if len(args) > 0 {
		name = args[0]
	}
	s := sceneOf(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.daemons[name]
	if p == nil {
		ts.Fatalf("no daemon named %s was started", name)
	}
	return p
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	name := "daemon"
	if len(args) > 1 && args[0] == "-name" {
		name, args = args[1], args[2:]
	}
	stdout, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer stdout.Close()
	p := &process{log: ts.MkAbs(name + ".log"), done: make(chan struct{})}
	stderr, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	ts.Check(err)
	defer stderr.Close()
	bin, err := lookPath(ts, "portico")
	ts.Check(err)
	p.cmd = exec.Command(bin, append([]string{"run"}, args...)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), stdout, stderr
	p.cmd.Env = environ(ts)
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	s := sceneOf(ts)
	s.mu.Lock()
	s.daemons[name] = p
	s.mu.Unlock()
	if err := ready(ts, p); err != nil {
		log, _ := os.ReadFile(p.log)
		ts.Fatalf("%v\n%s", err, log)
	}
}

// ready waits until the daemon says so and sets the variables of its listeners.
func ready(ts *testscript.TestScript, p *process) error {
	deadline := time.Now().Add(patience)
	for {
		err := ts.Exec("portico", "status", "--json")
		if err == nil {
			break
		}
		if p != nil && p.exited() {
			return fmt.Errorf("it ended before it was ready: %v", p.err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v: %w", patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	var status struct {
		Listeners []struct {
			Name      string   `json:"name"`
			Addresses []string `json:"addresses"`
			URLs      []string `json:"urls"`
		} `json:"listeners"`
	}
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &status); err != nil {
		return fmt.Errorf("read the status: %w", err)
	}
	for _, l := range status.Listeners {
		name := strings.ReplaceAll(l.Name, "-", "_")
		if len(l.Addresses) > 0 {
			ts.Setenv("addr_"+name, l.Addresses[0])
		}
		if len(l.URLs) > 0 {
			ts.Setenv("url_"+name, strings.TrimSuffix(l.URLs[0], "/"))
		}
	}
	return nil
}

func cmdWaitReady(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	ts.Check(ready(ts, nil))
}

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "INT": syscall.SIGINT,
	"USR1": syscall.SIGUSR1, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) == 0 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal SIGNAL [NAME]")
	}
	ts.Check(daemonOf(ts, args[1:]).cmd.Process.Signal(signals[args[0]]))
}

func cmdTerminate(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	p := daemonOf(ts, args)
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	waitExit(ts, p, 0)
}

func cmdWaitExit(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) == 0 {
		ts.Fatalf("usage: wait-exit STATUS [NAME]")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	waitExit(ts, daemonOf(ts, args[1:]), status)
}

func waitExit(ts *testscript.TestScript, p *process, want int) {
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // the log gets the stacks
		<-p.done
		log, _ := os.ReadFile(p.log)
		ts.Fatalf("it did not end within %v\n%s", patience, log)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		log, _ := os.ReadFile(p.log)
		ts.Fatalf("it ended with %v instead of status %d\n%s", p.cmd.ProcessState, want, log)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d instead of %d", got, want)
	}
}

func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM ARG...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	until(ts, func() error {
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			return fmt.Errorf("%w\n%s", err, ts.ReadFile("stderr"))
		}
		if out := ts.ReadFile("stdout"); !re.MatchString(out) {
			return fmt.Errorf("no match for %s in\n%s", re, out)
		}
		return nil
	})
}

func cmdLogHas(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) == 0 {
		ts.Fatalf("usage: log-has REGEXP [NAME]")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	p := daemonOf(ts, args[1:])
	until(ts, func() error {
		log, err := os.ReadFile(p.log)
		if err == nil && !re.Match(log) {
			err = fmt.Errorf("no match for %s in\n%s", re, log)
		}
		return err
	})
}

func cmdSend(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) != 3 {
		ts.Fatalf("usage: send ADDRESS IN OUT")
	}
	conn, err := net.DialTimeout("tcp", args[0], patience)
	ts.Check(err)
	defer conn.Close()
	ts.Check(conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Check(conn.(*net.TCPConn).CloseWrite())
	out, err := io.ReadAll(conn)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), out, 0o600))
}

// until tries until there is no error, for as long as patience lasts.
func until(ts *testscript.TestScript, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("after %v: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func refuse(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("this command cannot be negated")
	}
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func isExecutable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// environ is the environment of the script; testscript has no other way to all
// of it.
func environ(ts *testscript.TestScript) []string {
	ts.Check(ts.Exec("env", "-0"))
	return strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\x00"), "\x00")
}
