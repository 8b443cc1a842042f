// Package postgres runs PostgreSQL servers for tests, from the binaries that
// Debian's package postgresql installs: each in a temporary folder, on a unix
// socket in it, without TCP. It knows nothing of portico.
package postgres

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
)

// Modes of Stop, as pg_ctl has them.
const (
	Smart     = syscall.SIGTERM // when all clients have gone
	Fast      = syscall.SIGINT  // transactions are rolled back, clients cut
	Immediate = syscall.SIGQUIT // as a crash: the next start recovers
)

// A Server is a PostgreSQL server. It ends with the test that started it, its
// folder with it; where the process of the tests ends first, with that.
type Server struct {
	t      testing.TB // nil: belongs to the process
	dir    string     // data, the socket, and what the watcher reads
	out    *buffer.Buffer
	flags  []string
	orphan io.Closer // closing it ends the server and removes its folder
	gone   chan error

	mu      sync.Mutex
	process *exec.Cmd     // guarded by mu; nil: stopped
	ended   chan struct{} // guarded by mu; closed when process has ended

	databases int      // guarded by mu; made so far
	empty     []string // guarded by mu; those that tests gave back
}

// URL is that of an empty database, whose owner is an ordinary user.
func (s *Server) URL() string { return s.url("portico") }

func (s *Server) url(database string) string {
	return "postgres://portico@/" + database + "?host=" + url.QueryEscape(s.dir)
}

// URLWith is URL with a second server, for when the first is away.
func (s *Server) URLWith(second *Server) string {
	return s.URL() + url.QueryEscape(","+second.dir)
}

// Log is what the server wrote so far.
func (s *Server) Log() string { return s.out.String() }

var shared = sync.OnceValues(func() (*Server, error) { return start(nil) })

// Database is the URL of an empty database for the test, on a server that all
// tests of the process share. options are more words
// of CREATE DATABASE.
func Database(t testing.TB, options ...string) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.Database(t, options...)
}

// Database is the URL of an empty database for the test. options are more words of
// CREATE DATABASE.
func (s *Server) Database(t testing.TB, options ...string) string {
	t.Helper()
	name, err := s.takeDatabase(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.runs() {
			return
		}
		if err := s.giveDatabase(name, len(options) == 0); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// takeDatabase takes an empty database, or makes one, which takes longer.
func (s *Server) takeDatabase(options []string) (string, error) {
	s.mu.Lock()
	n := len(s.empty)
	if n > 0 && len(options) == 0 {
		defer s.mu.Unlock()
		name := s.empty[n-1]
		s.empty = s.empty[:n-1]
		return name, nil
	}
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	_, err := s.sql("portico", "portico", "CREATE DATABASE "+name+" "+strings.Join(options, " "))
	return name, err
}

// giveDatabase empties a database of a test, or drops it.
func (s *Server) giveDatabase(name string, again bool) error {
	if !again {
		_, err := s.sql("portico", "portico", "DROP DATABASE "+name+" WITH (FORCE)")
		return err
	}
	_, err := s.sql("portico", name, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '`+name+`' AND usename = current_user AND pid <> pg_backend_pid();
		DO $$ DECLARE s text; BEGIN
			FOR s IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('public', 'information_schema')
			LOOP EXECUTE format('DROP SCHEMA %I CASCADE', s); END LOOP;
		END $$`)
	if err == nil {
		s.mu.Lock()
		s.empty = append(s.empty, name)
		s.mu.Unlock()
	}
	return err
}

// Start starts a server for the test alone, which may stop and kill it. flags are
// settings beyond the kit's own: "fsync=on".
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	s, err := start(t, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t testing.TB, flags ...string) (*Server, error) {
	s, err := newServer(t, flags)
	if err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	return s, s.launch()
}

// newServer makes the folder of a server, and sees to its end.
func newServer(t testing.TB, flags []string) (*Server, error) {
	// A short path: that of a socket has 107 bytes at most.
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	s := &Server{t: t, dir: dir, out: new(buffer.Buffer), flags: flags, gone: make(chan error, 1)}
	if err := giveAway(dir); err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	if s.orphan, err = watch(dir, s.gone); err != nil {
		return nil, fmt.Errorf("watch PostgreSQL: %w", err)
	}
	if t != nil {
		t.Cleanup(s.end)
	}
	return s, nil
}

// create makes the data folder, a user and a database.
func (s *Server) create() error {
	if _, err := s.run("", "initdb", "-D", s.data(), "-U", "postgres", "--no-sync", "--no-instructions",
		"--locale=C", "--encoding=UTF8", "--auth=trust"); err != nil {
		return err
	}
	const first = "CREATE ROLE portico LOGIN CREATEDB\nCREATE DATABASE portico OWNER portico\n"
	_, err := s.run(first, "postgres", "--single", "-F", "-D", s.data(), "postgres")
	return err
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// end stops the server for good and removes its folder.
func (s *Server) end() {
	if s.t.Failed() {
		s.t.Logf("PostgreSQL said:\n%s", s.Log())
	}
	_ = s.orphan.Close()
	if err := <-s.gone; err != nil {
		s.t.Errorf("remove PostgreSQL: %v", err)
	}
}

// SQL runs statements as the superuser and returns what they say: rows as lines,
// columns parted by |.
func (s *Server) SQL(t testing.TB, statements string) string {
	t.Helper()
	out, err := s.sql("postgres", "portico", statements)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *Server) sql(user, database, statements string) (string, error) {
	return s.run(statements, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
		"-h", s.dir, "-U", user, "-d", database)
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(input, program string, args ...string) (string, error) {
	cmd, err := s.command(program, args...)
	if err != nil {
		return "", err
	}
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", program, err, &errs, &out)
	}
	return strings.TrimSpace(out.String()), nil
}

// command is one of PostgreSQL's programs, as the user who may run them.
func (s *Server) command(program string, args ...string) (*exec.Cmd, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, asOwner()
	cmd.Env = []string{"LC_ALL=C", "PATH=" + filepath.Dir(path) + ":/usr/bin:/bin", "HOME=" + s.dir}
	return cmd, nil
}

// find finds one of PostgreSQL's programs, the newest where there are several.
func find(program string) (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed, run test/setup: %w", err)
	}
	return path, nil
}

// version is the number of a path /usr/lib/postgresql/NUMBER/bin/program.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// ready waits until the server takes connections.
func (s *Server) ready(ended <-chan struct{}) error {
	return patiently(func() error {
		select {
		case <-ended:
			return fatal{fmt.Errorf("PostgreSQL ended while it started:\n%s", s.Log())}
		default:
		}
		_, err := s.run("", "pg_isready", "-q", "-h", s.dir, "-U", "portico", "-d", "portico")
		return err
	})
}

// Patience is how long the kit waits.
const Patience = wait.Patience
