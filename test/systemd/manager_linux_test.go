package systemd

import (
	"errors"
	"fmt"
	"net"
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
)

// A manager does for one process what systemd does for a service: it hears what
// the process says, keeps descriptors for it, and gives them to the next one.
type manager struct {
	t    *testing.T
	dir  string // of the config and the socket
	bin  string
	env  []string
	conn *net.UnixConn

	mu    sync.Mutex // guards the rest
	store []keptFile
	full  bool // takes no more descriptors, and says nothing
	ready chan struct{}

	cmd  *exec.Cmd
	done chan error
	log  *os.File
}

type keptFile struct {
	name string
	file *os.File
}

func newManager(t *testing.T, bin, config string) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "portico") // short: a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, dir: dir, bin: bin}
	t.Cleanup(m.end)
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if m.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	go m.hear()
	return m
}

// hear takes what the process says until the socket is closed.
func (m *manager) hear() {
	b, oob := make([]byte, 4096), make([]byte, 4096)
	for {
		n, on, _, _, err := m.conn.ReadMsgUnix(b, oob)
		if err != nil {
			return
		}
		var files []*os.File
		if messages, err := syscall.ParseSocketControlMessage(oob[:on]); err == nil {
			for _, c := range messages {
				fds, _ := syscall.ParseUnixRights(&c)
				for _, fd := range fds {
					syscall.CloseOnExec(fd)
					files = append(files, os.NewFile(uintptr(fd), "kept"))
				}
			}
		}
		m.take(string(b[:n]), files)
	}
}

func (m *manager) take(text string, files []*os.File) {
	said := map[string]string{}
	for l := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSpace(l), "=")
		said[k] = v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case said["FDSTORE"] == "1" && !m.full:
		for _, f := range files {
			m.store = append(m.store, keptFile{said["FDNAME"], f})
		}
		return
	case said["FDSTOREREMOVE"] == "1":
		m.drop(said["FDNAME"])
	case said["READY"] == "1" && m.ready != nil:
		close(m.ready)
		m.ready = nil
	}
	for _, f := range files { // a barrier's, or one that there is no room for
		_ = f.Close()
	}
}

// drop needs mu.
func (m *manager) drop(name string) {
	var rest []keptFile
	for _, k := range m.store {
		if k.name == name {
			_ = k.file.Close()
		} else {
			rest = append(rest, k)
		}
	}
	m.store = rest
}

// names are those of what is kept.
func (m *manager) names() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.store {
		names = append(names, k.name)
	}
	return names
}

// start starts the program with what is kept, and waits until it is ready.
func (m *manager) start() {
	m.t.Helper()
	// The process itself has to be the one that LISTEN_PID names.
	cmd := exec.Command("/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh", m.bin, "run", filepath.Join(m.dir, "config.hcl"))
	m.mu.Lock()
	var names []string
	for _, k := range m.store {
		names = append(names, k.name)
		// A copy: the process before may have this one dropped late.
		cmd.ExtraFiles = append(cmd.ExtraFiles, m.copyOf(k.file))
	}
	ready := make(chan struct{})
	m.ready = ready
	m.mu.Unlock()
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.dir, m.log, m.log
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(m.dir, "notify"), "FDSTORE=4096",
		"LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	cmd.Env = append(cmd.Env, m.env...)
	err := cmd.Start()
	for _, f := range cmd.ExtraFiles {
		_ = f.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	done := make(chan error, 1)
	m.cmd, m.done = cmd, done
	go func() { done <- cmd.Wait() }()
	select {
	case <-ready:
	case err := <-done:
		m.cmd = nil
		m.t.Fatalf("it ended before it was ready: %v", err)
	case <-time.After(handoverTime):
		m.t.Fatalf("it was not ready within %v", handoverTime)
	}
}

func (m *manager) copyOf(f *os.File) *os.File {
	m.t.Helper()
	rc, err := f.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	dup := -1
	cerr := rc.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(cerr, err); err != nil {
		m.t.Fatal(err)
	}
	return os.NewFile(uintptr(dup), f.Name())
}

// stop ends the program with a signal and waits for it.
func (m *manager) stop(sig syscall.Signal) error {
	if m.cmd == nil {
		return errors.New("it does not run")
	}
	cmd := m.cmd
	m.cmd = nil
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-m.done:
		if sig == syscall.SIGKILL {
			return nil
		}
		return err
	case <-time.After(handoverTime):
		_ = cmd.Process.Kill()
		return fmt.Errorf("it did not end within %v", handoverTime)
	}
}

// restart is systemctl restart.
func (m *manager) restart() {
	m.t.Helper()
	if err := m.stop(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	m.start()
}

// said is the program's log.
func (m *manager) said() string {
	b, err := os.ReadFile(m.log.Name())
	if err != nil {
		m.t.Error(err)
	}
	return string(b)
}

func (m *manager) end() {
	if m.cmd != nil {
		if err := m.stop(syscall.SIGTERM); err != nil {
			m.t.Errorf("the last stop: %v", err)
		}
	}
	_ = m.conn.Close()
	m.mu.Lock()
	for _, k := range m.store {
		_ = k.file.Close()
	}
	m.mu.Unlock()
	if m.t.Failed() {
		m.t.Logf("the program said:\n%s", tail([]byte(m.said()), 60))
	}
	_ = m.log.Close()
	_ = os.RemoveAll(m.dir)
}
