package postgres

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// settings make a server small and quick. Without fsync the data survives the
// death of the server, but not that of the machine.
var settings = []string{
	"listen_addresses=", "unix_socket_permissions=0777", "fsync=off", "full_page_writes=off",
	"shared_buffers=16MB", "max_connections=100", "jit=off", "log_checkpoints=off",
	"wal_level=replica", "max_wal_senders=4",
}

// launch starts the server and waits until it takes connections.
func (s *Server) launch() error {
	args := []string{"-D", s.data(), "-c", "unix_socket_directories=" + s.dir}
	for _, f := range append(settings, s.flags...) {
		args = append(args, "-c", f)
	}
	cmd, err := s.command("postgres", args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.WaitDelay = Patience // for a child that holds the pipe of the log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	ended := make(chan struct{})
	pid := strconv.Itoa(cmd.Process.Pid)
	if err := os.WriteFile(s.pidFile(), []byte(pid+"\n"), 0o600); err != nil {
		_ = cmd.Process.Kill()
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.mu.Lock()
	s.process, s.ended = cmd, ended
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait()
		_ = os.Remove(s.pidFile()) // no number of somebody else's is left
		close(ended)
	}()
	return s.ready(ended)
}

func (s *Server) pidFile() string { return filepath.Join(s.dir, "pid") }

// running is the process, nil where it was stopped, and what is closed at its end.
func (s *Server) running() (*exec.Cmd, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process, s.ended
}

func (s *Server) runs() bool {
	cmd, ended := s.running()
	if cmd == nil {
		return false
	}
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// Stop ends the server, in one of the modes, and returns when it has ended.
func (s *Server) Stop(t testing.TB, mode syscall.Signal) {
	t.Helper()
	cmd, _ := s.running()
	if cmd == nil {
		t.Fatal("PostgreSQL does not run")
	}
	_ = cmd.Process.Signal(mode)
	s.await(t)
}

// await waits until the process has ended.
func (s *Server) await(t testing.TB) {
	t.Helper()
	_, ended := s.running()
	select {
	case <-ended:
	case <-time.After(Patience):
		t.Fatalf("PostgreSQL did not end within %v", Patience)
	}
	s.mu.Lock()
	s.process = nil
	s.mu.Unlock()
}

// Start starts a server that was stopped or killed, and waits until it takes
// connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.runs() {
		t.Fatal("PostgreSQL runs already")
	}
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// Standby starts a server that follows s, and has commits on s wait until it has
// them too. Promote makes it take over. flags are more than those of s.
func (s *Server) Standby(t testing.TB, flags ...string) *Server {
	t.Helper()
	second, err := newServer(t, slices.Concat(s.flags, flags))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.run("", "pg_basebackup", "-D", second.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync",
		"-d", "host="+s.dir+" user=postgres application_name=standby"); err != nil {
		t.Fatal(err)
	}
	if err := second.launch(); err != nil {
		t.Fatal(err)
	}
	s.SQL(t, "ALTER SYSTEM SET synchronous_standby_names = 'standby'; SELECT pg_reload_conf()")
	wait.Until(t, "the standby follows", func() bool {
		return s.SQL(t, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
	})
	return second
}

// Promote has a standby take over. It waits for no other.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.SQL(t, "SELECT pg_promote(false)") // who waits in a statement may be what recovery waits for
	wait.Until(t, "the standby has taken over", func() bool { return s.SQL(t, "SELECT pg_is_in_recovery()") == "f" })
	s.SQL(t, "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
}

// Restart is Stop, fast, and Start.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t, Fast)
	s.Start(t)
}

// Kill ends all processes of the server with SIGKILL, amid whatever they do.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.each(t, syscall.SIGSTOP) // none is made meanwhile
	s.each(t, syscall.SIGKILL)
	s.await(t)
}

// Freeze stops all processes of the server, as if its machine hung: what they have
// open stays open. Thaw has them go on.
func (s *Server) Freeze(t testing.TB) { t.Helper(); s.each(t, syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw(t testing.TB) { t.Helper(); s.each(t, syscall.SIGCONT) }

// each sends a signal to the server's first process, then to its children.
func (s *Server) each(t testing.TB, sig syscall.Signal) {
	t.Helper()
	cmd, _ := s.running()
	if cmd == nil {
		t.Fatal("PostgreSQL does not run")
	}
	// Read while the first still runs: who has died has no children.
	children := childrenOf(cmd.Process.Pid)
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if sig == syscall.SIGSTOP {
		children = childrenOf(cmd.Process.Pid)
	}
	for _, pid := range children {
		_ = syscall.Kill(pid, sig)
	}
}

// childrenOf lists the processes that a process made.
func childrenOf(pid int) (pids []int) {
	out, _ := exec.Command("ps", "-A", "-o", "ppid=,pid=").Output()
	for line := range strings.Lines(string(out)) {
		var parent, child int
		if n, _ := fmt.Sscan(line, &parent, &child); n == 2 && parent == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// watcher ends the server and removes its folder when its input ends: when the
// kit closes it, or when the process of the tests has ended, however that was.
const watcher = `trap '' INT TERM HUP
cat >/dev/null
if pid=$(cat pid 2>/dev/null); then
	kill -QUIT "$pid"; kill -CONT "$pid" # it may be frozen
	for i in 1 2 3 4 5 6 7 8 9 10; do
		for j in 1 2 3 4 5 6 7 8 9 10; do [ ! -e data/postmaster.pid ] || sleep 0.1; done
	done
	kill -KILL "$pid" 2>/dev/null
fi
cd / && rm -rf "$1"`

// watch starts the watcher of a folder. gone gets what became of it.
func watch(dir string, gone chan<- error) (io.Closer, error) {
	cmd := exec.Command("sh", "-c", watcher, "sh", dir)
	cmd.Dir = dir
	input, err := cmd.StdinPipe() // closed with this process; no child gets it
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { gone <- cmd.Wait() }()
	return input, nil
}

// owner is who runs the servers where root runs the tests: PostgreSQL refuses to
// run as root. Else nil.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// asOwner has a program run as the owner.
func asOwner() *syscall.SysProcAttr {
	who, _ := owner() // giveAway has refused
	return &syscall.SysProcAttr{Credential: who, Setpgid: true}
}

// giveAway gives a folder to the owner.
func giveAway(dir string) error {
	who, err := owner()
	if err != nil || who == nil {
		return err
	}
	return os.Chown(dir, int(who.Uid), int(who.Gid))
}

// fatal is an error that waiting does not mend.
type fatal struct{ error }

// patiently tries until it works, or is in vain.
func patiently(try func() error) error {
	for end := time.Now().Add(Patience); ; time.Sleep(5 * time.Millisecond) {
		err := try()
		var f fatal
		if err == nil || errors.As(err, &f) || time.Now().After(end) {
			return err
		}
	}
}
