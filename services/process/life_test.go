package process_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/servicetest"
)

func TestEnvironmentIsClean(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", "PORTICO_SECRET"} {
		t.Setenv(name, "1")
	}
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("TZ", "UTC")
	for pass, want := range map[string][]string{
		"port":   {"HOME", "HOST", "LANG", "PATH", "PIDFILE", "PORT", program, "TZ", "WORD"},
		"socket": {"HOME", "LANG", "PATH", "PIDFILE", "PORT", program, "TZ", "WORD"},
		// The shell that sets LISTEN_PID adds PWD; bash adds more.
		"fd": {"HOME", "LANG", "LISTEN_FDS", "LISTEN_PID", "PATH", "PIDFILE", program, "PWD", "TZ", "WORD"},
	} {
		t.Run(pass, func(t *testing.T) {
			r := start(t, "http", `pass = "`+pass+`"`, "WORD", "a b")
			var names []string
			for line := range strings.Lines(r.get("/env")) {
				name, _, _ := strings.Cut(line, "=")
				if name != "GORACE" && name != "SHLVL" && name != "OLDPWD" && name != "_" {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("the program has %v and not %v", names, want)
			}
			if got := r.get("/"); got != "a b" {
				t.Errorf("WORD is %q", got)
			}
		})
	}
}

func TestRunsInItsFolder(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	self, _ := filepath.Abs(os.Args[0])
	if err := os.Symlink(self, filepath.Join(dir, "server")); err != nil {
		t.Fatal(err)
	}
	svc, _ := servicetest.Open(t, kind, `command = ["./server"]`+"\ndir = \""+dir+"\"\nenv = { "+program+` = "http", GORACE = "atexit_sleep_ms=0" }`)
	r := &rig{t: t, svc: svc, HTTPServer: servicetest.HTTP(t, svc.(http.Handler))}
	if got := r.get("/pwd"); got != dir {
		t.Errorf("it runs in %s, not in %s", got, dir)
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	r := start(t, "crash", "queue { timeout = \"300ms\" }\nrestart {\n delay = \"20ms\"\n max_delay = \"80ms\"\n}")
	wait.Until(r.t, "it is started again and again", func() bool { return r.metric("restarts_total") >= 4 })
	if err := r.check(); err == nil || !strings.Contains(err.Error(), "ended with status 3") {
		t.Errorf("Check says %v", err)
	}
	res, err := r.Client.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s, %v", res.Status, res.Header)
	}
	if r.metric("up") != 0 || r.metric("refused_requests_total") != 1 || r.metric("failed_starts_total") < 4 {
		t.Error("the metrics do not tell")
	}
	r.logged(`"stream":"stderr","message":"cannot go on"`)
	// What is repaired by a reload is started at once.
	r.update("http", "", "WORD", "well")
	if got := r.get("/"); got != "well" {
		t.Errorf("%q", got)
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

func TestBackOffDoublesUpToItsEnd(t *testing.T) {
	r := start(t, "crash", "restart {\n delay = \"10ms\"\n max_delay = \"35ms\"\n}")
	wait.Until(r.t, "five starts", func() bool { return r.metric("failed_starts_total") >= 5 })
	var pauses []string
	for line := range strings.Lines(r.env.Logs()) {
		if _, rest, ok := strings.Cut(line, `"next_start_ms":`); ok {
			ms, _, _ := strings.Cut(rest, ",")
			pauses = append(pauses, ms)
		}
	}
	if want := []string{"10", "20", "35", "35"}; len(pauses) < 4 || !slices.Equal(pauses[:4], want) {
		t.Errorf("the pauses are %v, not %v", pauses, want)
	}
}

func TestQueueIsBounded(t *testing.T) {
	r := start(t, "silent", "queue {\n requests = 1\n timeout = \"2m\"\n}")
	first := make(chan int, 1)
	go func() {
		status, _, _ := r.try("/")
		first <- status
	}()
	wait.Until(r.t, "one waits", func() bool { return r.metric("waiting_requests") == 1 })
	begun := time.Now()
	if status, _, _ := r.try("/"); status != 503 || time.Since(begun) > time.Minute {
		t.Errorf("%d after %v", status, time.Since(begun))
	}
	r.update("http", "", "WORD", "now")
	if status := <-first; status != 200 {
		t.Errorf("the one that waited got %d", status)
	}
}

func TestRequestsWaitForARestart(t *testing.T) {
	t.Parallel()
	for _, pass := range []string{"port", "socket", "fd"} {
		t.Run(pass, func(t *testing.T) {
			r := start(t, "http", `pass = "`+pass+`"`)
			before := r.pid()
			if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			wait.Until(r.t, "it is gone", func() bool { return !alive(before) })
			if after := r.pid(); after == before {
				t.Error("the same process answers")
			}
			if n := r.metric("restarts_total"); n != 1 {
				t.Errorf("%v restarts", n)
			}
			r.logged("it was ended by SIGKILL")
		})
	}
}

func TestDiesWithARequest(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "")
	if status, b, err := r.post("/die"); status != 502 || err != nil || !strings.HasPrefix(b, "502 Bad Gateway: ") {
		t.Errorf("%d %q %v", status, b, err)
	}
	if _, b, err := r.try("/diehalf"); err == nil {
		t.Errorf("half an answer looks whole: %q", b)
	}
	r.get("/")
	r.logged("it ended with status 9")
}

// What is safe to send twice is sent twice, and not more often.
func TestSafeRequestGoesToTheNextOnce(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "")
	if got := r.get("/dieonce"); got != "back" {
		t.Errorf("%q", got)
	}
	before := r.metric("restarts_total")
	if status, b, err := r.try("/die"); status != 502 || err != nil {
		t.Errorf("%d %q %v", status, b, err)
	}
	r.get("/")
	if n := r.metric("restarts_total") - before; n != 2 {
		t.Errorf("one request ended %v programs", n)
	}
}

// A program that cannot have a port that is held for it gets one that is not.
func TestProgramWithoutReuse(t *testing.T) {
	r := start(t, "strict", "restart { delay = \"10ms\" }")
	r.get("/")
	if n := r.metric("failed_starts_total"); n > 1 {
		t.Errorf("%v failed starts", n)
	}
	r.update("strict", "", "WORD", "changed")
	wait.Until(r.t, "it was replaced", func() bool { return r.get("/") == "changed" })
	if n := r.metric("failed_starts_total"); n > 1 {
		t.Errorf("%v failed starts", n)
	}
}

func TestNeverReady(t *testing.T) {
	r := start(t, "silent", "health { start_timeout = \"100ms\" }\nstop_timeout = \"1s\"")
	wait.Until(t, "Check says why", func() bool {
		err := r.check()
		return err != nil && strings.Contains(err.Error(), "not ready 100ms after its start")
	})
}

func TestIgnoresItsSignal(t *testing.T) {
	env := servicetest.NewEnv(t, "process", "test")
	svc, err := servicetest.MustDecode(t, kind, body("deaf", `stop_timeout = "100ms"`)).Open(t.Context(), env.Env)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, svc: svc, env: env, HTTPServer: servicetest.HTTP(t, svc.(http.Handler))}
	pid := r.pid()
	begun := time.Now()
	if err := svc.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 100*time.Millisecond || took > 9*time.Second {
		t.Errorf("it took %v", took)
	}
	if alive(pid) {
		t.Error("it still runs")
	}
	r.logged("did not end after its signal")
}

func TestEverythingThatItStartedEnds(t *testing.T) {
	t.Parallel()
	r := start(t, "family", "")
	first := r.pid()
	relative := func() int {
		b, err := os.ReadFile(r.file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(b))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	old := relative()
	if !alive(old) {
		t.Fatal("there is no grandchild")
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone := func(pid int) func() bool {
		return func() bool { return !running(pid) }
	}
	wait.Until(r.t, "the grandchild ended with a crash", gone(old))
	wait.Until(r.t, "there is a new family", func() bool { return r.pid() != first })
	young := relative()
	r.update("http", "")
	wait.Until(r.t, "the grandchild ended with a replacement", gone(young))
}

func TestFloodDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	r := start(t, "flood", "log_rate = 10")
	r.get("/")
	if n, took := strings.Count(r.env.Logs(), `"stream":"stdout"`), time.Since(begun); n > 110+int(10*took.Seconds()) {
		t.Errorf("%d lines in the log after %v", n, took)
	}
	wait.Until(r.t, "it is counted", func() bool { return r.metric("dropped_lines_total") > 19_000 })

	r = start(t, "flood", "log_rate = 100000")
	r.logged(`"cut":true`)
	for line := range strings.Lines(r.env.Logs()) {
		if len(line) > 9<<10 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}

	r = start(t, "flood", "log_rate = 0")
	r.get("/")
	if strings.Contains(r.env.Logs(), `"stream"`) {
		t.Error("log_rate = 0 logs")
	}
}

func TestOutputIsFitForATerminal(t *testing.T) {
	r := start(t, "words", "")
	r.logged(`"stream":"stdout","message":"plain red � tab here"`)
	r.logged(`"stream":"stderr","message":"no line break"`)
}

func TestSickProgramIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "health {\n path = \"/health\"\n interval = \"10ms\"\n failures = 2\n}")
	before := r.pid()
	r.get("/sick")
	wait.Until(r.t, "another one serves", func() bool { return r.pid() != before })
	wait.Until(r.t, "the sick one ended", func() bool { return !alive(before) })
	if err := r.check(); err != nil {
		t.Error(err)
	}
	r.logged("/health says 503")
}

func TestWatchedFilesReplaceIt(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, _ := filepath.Abs(os.Args[0])
	svc, env := servicetest.Open(t, kind, `command = ["`+self+`", "`+script+`"]`+"\nenv = { "+program+" = \"http\", GORACE = \"atexit_sleep_ms=0\" }\nrestart { watch = true }")
	r := &rig{t: t, svc: svc, env: env, HTTPServer: servicetest.HTTP(t, svc.(http.Handler))}
	before := r.pid()
	stop := r.load(2)
	if err := os.WriteFile(script, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait.Until(r.t, "another one serves", func() bool { return r.pid() != before })
	stop()
}
