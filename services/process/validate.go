package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/settings"
)

// What pass may be.
const (
	passPort   = "port"
	passSocket = "socket"
	passFD     = "fd"
)

// stopSignals are those that can ask a program to end.
var stopSignals = []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL"}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// The largest values; what is beyond is a slip, not a wish.
const (
	maxTime    = 24 * time.Hour
	maxWaiting = 100_000
	maxRate    = 100_000
	minMemory  = 4 << 20
	minFiles   = 16
)

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	return errors.Join(slices.Concat(c.checkProgram(), c.checkEnv(), c.checkTimes(), c.checkNumbers())...)
}

func mistake(attr, summary, format string, args ...any) error {
	return &settings.Error{Attr: attr, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

// checkProgram looks at what is started, as far as the disk tells.
func (c *Config) checkProgram() (errs []error) {
	dirOK := true
	if c.Dir != "" {
		if fi, err := os.Stat(string(c.Dir)); err != nil || !fi.IsDir() {
			dirOK = false
			errs = append(errs, mistake("dir", "The folder is not there", "%s is not a folder that can be read. Make it, or name another one.", c.Dir))
		}
	}
	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		errs = append(errs, mistake("command", "There is no program", `Give the program and its arguments, as in ["node", "server.js"].`))
	case strings.ContainsRune(strings.Join(c.Command, ""), 0):
		errs = append(errs, mistake("command", "This cannot be passed to a program", "An argument has a zero byte in it."))
	case dirOK:
		if _, err := c.executable(); err != nil {
			errs = append(errs, mistake("command", "The program cannot be started", "%v. A name is looked for in PATH, a path with a slash in it from dir.", err))
		}
	}
	errs = append(errs, c.checkUser()...)
	if !slices.Contains([]string{passPort, passSocket, passFD}, c.Pass) {
		errs = append(errs, mistake("pass", "The program cannot be told this way", `%q is not one of "port", "socket" and "fd".`, c.Pass))
	}
	if !slices.Contains(stopSignals, c.StopSignal) {
		errs = append(errs, mistake("stop_signal", "This is not a signal to stop with", "%q is not one of %s.", c.StopSignal, strings.Join(stopSignals, ", ")))
	}
	if c.needsShell() {
		if err := unix.Access(shell, unix.X_OK); err != nil {
			attr := "pass"
			if c.Limits != (Limits{}) {
				attr = "limits"
			}
			errs = append(errs, mistake(attr, "This needs a shell", "%s sets limits and LISTEN_PID just before the program starts, and it cannot be run: %v.", shell, err))
		}
	}
	if p := c.Health.Path; p != "" && (!strings.HasPrefix(p, "/") || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r > '~' })) {
		errs = append(errs, mistake("health.path", "This is not a path", `%q must begin with a slash and have only printable ASCII characters, such as "/healthz".`, p))
	}
	return errs
}

// checkUser looks whether the user is there. Whether portico may become that user
// depends on who starts it; see Needs.
func (c *Config) checkUser() []error {
	if c.User == "" {
		return nil
	}
	if _, err := user.Lookup(c.User); err != nil {
		return []error{mistake("user", "There is no such user", "%v. Make the user, or take the option out.", err)}
	}
	return nil
}

// checkEnv refuses what portico sets itself.
func (c *Config) checkEnv() (errs []error) {
	for name, value := range c.Env {
		switch {
		case !envName.MatchString(name):
			errs = append(errs, mistake("env", "This is not a name for the environment", "%q has characters other than letters, digits and _, or begins with a digit.", name))
		case strings.ContainsRune(value, 0):
			errs = append(errs, mistake("env", "This value cannot be passed", "The value of %s has a zero byte in it.", name))
		case reserved(name):
			errs = append(errs, mistake("env", "portico sets this itself", "%s is not for env: where the program listens is up to portico, and the service manager's variables are not for children. See pass.", name))
		}
	}
	return errs
}

func reserved(name string) bool {
	return name == "PORT" || name == "HOST" || name == "NOTIFY_SOCKET" ||
		strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_")
}

func (c *Config) checkTimes() (errs []error) {
	for _, t := range []struct {
		attr  string
		value time.Duration
	}{
		{"stop_timeout", c.StopTimeout}, {"drain", c.Drain}, {"response_timeout", c.ResponseTimeout}, {"idle_timeout", c.IdleTimeout},
		{"health.interval", c.Health.Interval}, {"health.timeout", c.Health.Timeout}, {"health.start_timeout", c.Health.StartTimeout},
		{"restart.delay", c.Restart.Delay}, {"restart.max_delay", c.Restart.MaxDelay}, {"restart.reset", c.Restart.Reset},
		{"queue.timeout", c.Queue.Timeout},
	} {
		if t.value < time.Millisecond || t.value > maxTime {
			errs = append(errs, mistake(t.attr, "The time is out of range", `Give a duration from "1ms" to "24h".`))
		}
	}
	if c.Restart.Delay > c.Restart.MaxDelay {
		errs = append(errs, mistake("restart.delay", "The first pause is longer than the longest", "Make max_delay at least as long as delay."))
	}
	if c.Limits.CPU != 0 && c.Limits.CPU < time.Second {
		errs = append(errs, mistake("limits.cpu", "The time is out of range", "The kernel counts whole seconds: give at least one, or 0 for no limit."))
	}
	return errs
}

func (c *Config) checkNumbers() (errs []error) {
	for _, n := range []struct {
		attr            string
		value, from, to int64
		zero            bool // means no limit, and is good
	}{
		{"log_rate", int64(c.LogRate), 0, maxRate, true},
		{"queue.requests", int64(c.Queue.Requests), 0, maxWaiting, true},
		{"health.failures", int64(c.Health.Failures), 1, 1000, false},
		{"limits.files", int64(c.Limits.Files), minFiles, 1 << 20, true},
		{"limits.memory", int64(c.Limits.Memory), minMemory, 1 << 50, true},
	} {
		if (n.value < n.from || n.value > n.to) && (n.value != 0 || !n.zero) {
			errs = append(errs, mistake(n.attr, "The number is out of range", "Give a number from %d to %d.", n.from, n.to))
		}
	}
	return errs
}
