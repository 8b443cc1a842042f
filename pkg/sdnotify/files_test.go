package sdnotify_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/sdnotify"
)

// The test binary is its own child: what it does as one.
func TestMain(m *testing.M) {
	if os.Getenv("SDNOTIFY_CHILD") == "" {
		os.Exit(m.Run())
	}
	for _, f := range sdnotify.Files(os.Getenv, os.Getpid()) {
		ln, err := net.FileListener(f)
		if err != nil {
			fmt.Println(err)
			continue
		}
		c, err := ln.Accept()
		if err != nil {
			fmt.Println(err)
			continue
		}
		io.WriteString(c, f.Name())
		c.Close()
	}
}

// A listening socket that is handed over works in the process that got it.
func TestFiles(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	addr := ln.Addr().String()
	ln.Close()
	// Only the process that systemd means takes them; the shell knows its own id.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "SDNOTIFY_CHILD=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=web")
	cmd.ExtraFiles = []*os.File{f}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "web" {
		t.Errorf("got %q, %v; the child said %s", got, err, out.String())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestFilesOfOthers(t *testing.T) {
	for _, env := range []map[string]string{
		{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": "7"},
		{"LISTEN_FDS": "-1", "LISTEN_PID": "7"}, {"LISTEN_FDS": "999999", "LISTEN_PID": "7"},
	} {
		if files := sdnotify.Files(func(k string) string { return env[k] }, 7); files != nil {
			t.Errorf("%v: took %d files", env, len(files))
		}
	}
}
