package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// program names, in the environment of a child of the test, what it plays.
const program = "PROCESS_TEST_PROGRAM"

// TestMain is the program too: tests start their own binary as the child.
func TestMain(m *testing.M) {
	if p := os.Getenv(program); p != "" {
		os.Exit(play(p))
	}
	os.Exit(m.Run())
}

// play is a program with faults.
func play(p string) int {
	switch p {
	case "crash":
		fmt.Fprintln(os.Stderr, "cannot go on")
		return 3
	case "silent": // never ready
		time.Sleep(time.Hour)
	case "flood":
		line := strings.Repeat("x", 100) + "\n"
		for range 20_000 {
			fmt.Print(line)
		}
		fmt.Println(strings.Repeat("long", 100_000))
	case "words":
		fmt.Println("plain \x1b[31mred\x1b[0m \x00\xff tab\there")
		fmt.Fprint(os.Stderr, "no line break")
		return 0
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "family":
		// What is left in the group holds the output open and ignores everything.
		cmd := exec.Command("/bin/sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return 4
		}
		if err := os.WriteFile(os.Getenv("PIDFILE"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
			return 5
		}
	case "raw":
		return playRaw()
	}
	return playHTTP()
}

// place listens where the environment says.
func place() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") == "1" {
		if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
			return nil, fmt.Errorf("LISTEN_PID is %s, not %d", os.Getenv("LISTEN_PID"), os.Getpid())
		}
		return net.FileListener(os.NewFile(3, "passed"))
	}
	port := os.Getenv("PORT")
	if os.Getenv(program) == "strict" { // an old one, without SO_REUSEADDR
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0) })
			return err
		}}
		return lc.Listen(context.Background(), "tcp4", net.JoinHostPort(os.Getenv("HOST"), port))
	}
	if strings.HasPrefix(port, "/") {
		return net.Listen("unix", port)
	}
	return net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), port))
}

// playRaw sends back lines in capitals, and says so when the client has no more.
func playRaw() int {
	ln, err := place()
	if err != nil {
		return 6
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return 0
		}
		go func() {
			defer c.Close()
			sc := bufio.NewScanner(c)
			for sc.Scan() {
				fmt.Fprintln(c, strings.ToUpper(sc.Text()))
			}
			fmt.Fprintln(c, "BYE")
		}()
	}
}

// playHTTP is a server that does as the path says. It ends politely at SIGTERM.
func playHTTP() int {
	ln, err := place()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 6
	}
	if os.Getenv(program) != "deaf" {
		quit := make(chan os.Signal, 1)
		signal.Notify(quit, syscall.SIGTERM, syscall.SIGINT)
		go func() {
			fmt.Println("signal", <-quit)
			os.Exit(0)
		}()
	}
	if err := http.Serve(ln, mux()); err != nil {
		return 7
	}
	return 0
}

func mux() http.Handler {
	var sick atomic.Bool
	m := http.NewServeMux()
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("WORD")) })
	m.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	m.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	m.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		b, _ := os.ReadFile("/proc/self/status")
		_, _ = w.Write(b)
	})
	m.HandleFunc("/pwd", func(w http.ResponseWriter, _ *http.Request) { wd, _ := os.Getwd(); fmt.Fprint(w, wd) })
	m.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Host: %s\n", r.Host)
		_ = r.Header.Write(w)
	})
	m.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) })
	m.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	m.HandleFunc("/die", func(http.ResponseWriter, *http.Request) { os.Exit(9) })
	m.HandleFunc("/dieonce", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("PIDFILE")); err != nil {
			_ = os.WriteFile(os.Getenv("PIDFILE"), nil, 0o600)
			os.Exit(9)
		}
		fmt.Fprint(w, "back")
	})
	m.HandleFunc("/diehalf", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		os.Exit(9)
	})
	m.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		_ = os.WriteFile(os.Getenv("PIDFILE")+".slow", nil, 0o600)
		time.Sleep(d)
		fmt.Fprint(w, os.Getenv("WORD"))
	})
	m.HandleFunc("/limits", func(w http.ResponseWriter, _ *http.Request) {
		b, _ := os.ReadFile("/proc/self/limits")
		_, _ = w.Write(b)
	})
	m.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	m.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	m.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\n", os.Getenv("WORD"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	m.HandleFunc("/ws", serveWS)
	return m
}

// wsEvents sends messages back with a word in front.
type wsEvents struct{ gws.BuiltinEventHandler }

func (wsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	if s := m.Data.String(); strings.HasSuffix(s, " here") {
		fmt.Println("heard", s)
		return
	}
	_ = c.WriteMessage(m.Opcode, append([]byte(os.Getenv("WORD")+" "), m.Bytes()...))
}

func (wsEvents) OnClose(_ *gws.Conn, err error) {
	var ce *gws.CloseError
	if errors.As(err, &ce) {
		fmt.Println("the client closed with", ce.Code)
	}
}

func serveWS(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	c, err := gws.NewUpgrader(wsEvents{}, nil).Upgrade(w, r)
	if err != nil {
		return
	}
	if r.FormValue("push") != "" {
		go push(c.NetConn())
	}
	go c.ReadLoop()
}

// push sends messages until the client reads no more, and says so.
func push(c net.Conn) {
	message := append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 1<<16)...)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := c.Write(message); err != nil {
			fmt.Println("the client does not read")
			return
		}
	}
}

// body is a service block that runs this binary as p, with more options.
func body(p, options string, env ...string) string {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		panic(err)
	}
	// With the race detector a program would linger for a second at its end.
	vars := fmt.Sprintf("%s = %q\nGORACE = %q\n", program, p, "atexit_sleep_ms=0")
	for i := 0; i+1 < len(env); i += 2 {
		vars += fmt.Sprintf("%s = %q\n", env[i], env[i+1])
	}
	return fmt.Sprintf("command = [%q]\nenv = {\n%s}\n%s", self, vars, options)
}
