package listen_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/listen"
)

func TestMain(m *testing.M) {
	if os.Getenv("LISTEN_TEST_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child keeps every connection until it is told to close them, with few
// descriptors.
func child() {
	lim := unix.Rlimit{Cur: 40, Max: 40}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		panic(err)
	}
	set := listen.New(zerolog.New(os.Stderr))
	k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1"})
	if err != nil {
		panic(err)
	}
	k.SetLean(os.Getenv("LISTEN_TEST_CHILD") == "lean")
	var told atomic.Uint64
	k.OnError(func(error) { told.Add(1) })
	var mu sync.Mutex
	var held []net.Conn
	keep := true
	go k.Serve(func(nc net.Conn) {
		io.WriteString(nc, "!")
		mu.Lock()
		defer mu.Unlock()
		if keep {
			held = append(held, nc)
		} else {
			nc.Close()
		}
	})
	fmt.Println(k.Addr())
	bufio.NewReader(os.Stdin).ReadString('\n')
	mu.Lock()
	keep = false
	for _, nc := range held {
		nc.Close()
	}
	mu.Unlock()
	bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println(k.AcceptErrors(), told.Load())
}

func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ordinary", "lean"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			outOfDescriptors(t, kind)
		})
	}
}

func outOfDescriptors(t *testing.T, kind string) {
	const clients = 60
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN_TEST_CHILD="+kind)
	var log bytes.Buffer
	cmd.Stderr = &log
	in, _ := cmd.StdinPipe()
	pipe, _ := cmd.StdoutPipe()
	out := bufio.NewReader(pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	addr, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	greeted := make(chan error, clients)
	for range clients {
		nc, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		go func() {
			nc.SetReadDeadline(time.Now().Add(wait.Patience))
			_, err := io.ReadFull(nc, make([]byte, 1))
			greeted <- err
		}()
	}
	// The child has taken what it can when nobody is greeted any more.
	if err := <-greeted; err != nil {
		t.Fatal(err)
	}
	n := 1
	for more := true; more; {
		select {
		case err := <-greeted:
			if err != nil {
				t.Fatal(err)
			}
			n++
		case <-time.After(time.Second):
			more = false
		}
	}
	if n == clients {
		t.Fatalf("%d of %d clients were greeted with 40 descriptors", n, clients)
	}
	io.WriteString(in, "close\n")
	for ; n < clients; n++ {
		if err := <-greeted; err != nil {
			t.Fatalf("after descriptors came free: %v", err)
		}
	}
	io.WriteString(in, "end\n")
	var failures, told int
	fmt.Fscan(out, &failures, &told)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if told != failures {
		t.Errorf("OnError was told of %d of %d failures", told, failures)
	}
	if failures < 2 || failures > 50 {
		t.Errorf("accept failed %d times: it should have been tried again, with pauses", failures)
	}
	for _, msg := range []string{"no file descriptors left", "accepting connections again"} {
		if c := strings.Count(log.String(), msg); c != 1 {
			t.Errorf("%q is %d times in the log:\n%s", msg, c, log.String())
		}
	}
}
