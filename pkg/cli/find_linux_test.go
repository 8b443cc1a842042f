package cli_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/pkg/daemon"
)

// claimArgs has the name of this program, a user, the socket to listen at and the
// file of which a test binary is to say that it runs it.
const claimArgs = "PORTICO_TEST_CLAIM"

// TestClaimChild says of itself what a daemon says that runs a file.
func TestClaimChild(t *testing.T) {
	var args struct {
		Comm, Socket, File string
		UID                int
	}
	if os.Getenv(claimArgs) == "" {
		return // it is a test like others: there is nothing to do
	}
	if err := json.Unmarshal([]byte(os.Getenv(claimArgs)), &args); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte(args.Comm), 0); err != nil {
		t.Fatal(err)
	}
	// One that changes its user itself passes for root's in /proc.
	if args.UID != os.Getuid() {
		if err := syscall.Setuid(args.UID); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("unix", args.Socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/status" {
				http.NotFound(w, r) // as an older daemon that has no numbers
				return
			}
			_ = json.NewEncoder(w).Encode(daemon.Status{File: args.File, Ready: true, Version: "claimed"})
		}))
	}()
	_, _ = os.Stdout.WriteString("listening\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
	os.Exit(0)
}

// claim runs one that says it runs the file, as the user uid from its start or
// once it changed to it.
func claim(t *testing.T, file string, uid int, fromStart bool) {
	t.Helper()
	dir, err := os.MkdirTemp("", "portico") // t.TempDir() can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // another user makes the socket
		t.Fatal(err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(map[string]any{"Comm": strings.TrimSpace(string(comm)), "Socket": filepath.Join(dir, "s"), "File": file, "UID": uid})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestClaimChild$")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), claimArgs+"="+string(args)), os.Stderr
	if fromStart && uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	said := make([]byte, len("listening\n"))
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "listening\n" {
		t.Fatalf("it says %q, %v", said, err)
	}
}

// Anybody can say that he runs a file: only who may be told passwords is believed.
func TestWhoIsTakenForTheDaemon(t *testing.T) {
	const foreign = 65534
	type claimed struct {
		name      string
		uid       int
		fromStart bool
		owner     int // of the data folder
		found     bool
	}
	cases := []claimed{{"our own", os.Getuid(), true, os.Getuid(), true}}
	if os.Getuid() == 0 { // else there is but one user
		cases = append(cases,
			claimed{"another user's", foreign, true, 0, false},
			claimed{"another user's that was root's", foreign, false, 0, false},
			claimed{"that of who has the data", foreign, true, foreign, true},
			claimed{"that of who has the data, once root's", foreign, false, foreign, true},
		)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := scene(t, "config.hcl", hello)
			if err := os.Mkdir("data", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown("data", c.owner, -1); err != nil {
				t.Fatal(err)
			}
			claim(t, filepath.Join(dir, "config.hcl"), c.uid, c.fromStart)
			_, stdout, stderr := portico("", "status")
			if found := strings.Contains(stdout, "claimed"); found != c.found || found == strings.Contains(stderr, "no daemon answers at") {
				t.Errorf("found: %v\n%s%s", found, stdout, stderr)
			}
		})
	}
}
