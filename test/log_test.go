package test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

const chattyConfig = `
data_dir = "data"
service "respond" "hello" { body = "hello" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
`

// Who reads the log and stalls, as a journal that restarts, stalls nobody else;
// what is missing then the log says.
func TestNobodyReadsTheLog(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	d := testkit.StartBinaryLogging(t, program.Racing(t), chattyConfig, write)
	const clients, each = 8, 300
	path := d.URL("web") + "/" + strings.Repeat("x", 1000)
	client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				if err := fetch(client, path, len("hello")); err != nil {
					t.Errorf("amid a log that nobody reads: %.100v", err)
					return
				}
			}
		})
	}
	all.Wait()
	lines, missing := 0, 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(read); s.Scan(); {
			var e struct {
				Message, Path string
				Lines         int
			}
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Errorf("%v: %.100s", err, s.Text())
			}
			if e.Message == "access" {
				lines++
			}
			missing += e.Lines
		}
	}()
	if code := d.Stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Fatal("the log does not end")
	}
	if missing == 0 || lines+missing < clients*each {
		t.Errorf("%d lines and %d missing of %d", lines, missing, clients*each)
	}
}
