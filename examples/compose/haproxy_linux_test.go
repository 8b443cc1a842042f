package compose_test

import (
	"os"
	"os/exec"
	"testing"
)

// HAProxy takes its file. The nodes' names are not known here, which it says and
// does not mind.
func TestHAProxy(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy" // not on everybody's path
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("this test needs HAProxy; test/setup installs it")
	}
	if out, err := exec.CommandContext(t.Context(), program, "-c", "-f", "haproxy.cfg").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
