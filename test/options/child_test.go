package options_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// child is a program for the kind process, in this binary: a server that is
// slow, sick or stubborn where it is asked to be.
func child() {
	port := os.Getenv("PORT")
	network, addr := "tcp", net.JoinHostPort(os.Getenv("HOST"), port)
	if filepath.IsAbs(port) {
		network, addr = "unix", port
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		fmt.Println("listen:", err)
		os.Exit(1)
	}
	if os.Getenv("BRIEF") != "" { // it is ready, and ends
		fmt.Println("proven")
		_, _ = ln.Accept()
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	go func() {
		for s := range signals {
			fmt.Println("it got", s)
			if os.Getenv("STUBBORN") == "" {
				os.Exit(0)
			}
		}
	}()
	if err := http.Serve(ln, &childHandler{port: port}); err != nil {
		fmt.Println(err)
	}
}

type childHandler struct {
	port   string
	checks atomic.Int32
	once   sync.Once
}

func (c *childHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/never":
		fmt.Println("asked for nothing")
		<-r.Context().Done()
	case "/checks":
		fmt.Fprint(w, c.checks.Load())
	case "/mostly": // well one time in five
		if c.checks.Add(1)%5 != 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	case "/first": // well once
		first := false
		c.once.Do(func() { first = true })
		if !first {
			begin := time.Now()
			<-r.Context().Done()
			fmt.Println("a check took", time.Since(begin) > 1900*time.Millisecond)
		}
	default:
		dir, _ := os.Getwd()
		fmt.Fprintf(w, "pid=%d dir=%s word=%s unix=%t args=%s", os.Getpid(), filepath.Base(dir), os.Getenv("WORD"),
			filepath.IsAbs(c.port), strings.Join(os.Args[1:], ","))
	}
}
