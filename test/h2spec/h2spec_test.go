// Package h2spec_test has h2spec try HTTP/2 on a TLS port of the daemon, case by
// case of RFC 9113 and RFC 7541.
package h2spec_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// known are the cases that net/http decides from inside, and why they do not
// matter; docs/tls.md has them too.
var known = []string{
	// Two values of one setting in a frame: net/http takes that for a mistake of
	// the client and closes the connection.
	"http2/6.5.3/1",
	// Connection, or a TE other than trailers, in a request: net/http answers 400
	// instead of resetting the stream.
	"http2/8.1.2.2/1",
	"http2/8.1.2.2/2",
}

const config = `
data_dir = "data"
service "echo" "e" {}
listener "tls" {
  address = "127.0.0.1:0"
  service = service.echo.e
  tls { self_signed = true }
}
`

// report is what h2spec writes: JUnit's XML.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Failure *string `xml:"failure"`
			Error   *string `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestHTTP2(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "h2spec")
	build := exec.Command("go", "build", "-o", bin, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir, build.Env = "tool", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v\n%s", err, out)
	}
	d := testkit.Start(t, testkit.App(), config)
	host, port, err := net.SplitHostPort(d.Addr("tls"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "report.xml")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, bin, "--tls", "--insecure", "--host", host, "--port", port, "--timeout", "2", "--junit-report", file).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r report
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	failed, cases := r.failed()
	if cases != 145 {
		t.Errorf("%d cases, want 145", cases)
	}
	slices.Sort(failed)
	if !slices.Equal(failed, known) {
		t.Errorf("failed: %v\nwant:   %v\n%s", failed, known, out)
	}
}

// failed are the cases that failed, as section/number, and how many there are.
func (r report) failed() (failed []string, cases int) {
	for _, s := range r.Suites {
		for i, c := range s.Cases {
			cases++
			if c.Failure != nil || c.Error != nil {
				failed = append(failed, fmt.Sprintf("%s/%d", s.Package, i+1))
			}
		}
	}
	return failed, cases
}
