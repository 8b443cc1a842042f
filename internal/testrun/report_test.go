package main

import (
	"strings"
	"testing"
)

const recorded = `{"Action":"start","Package":"example.org/a"}
{"Action":"run","Package":"example.org/a","Test":"TestGood"}
{"Action":"output","Package":"example.org/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"example.org/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"example.org/a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"example.org/a","Test":"TestLazy","Output":"=== RUN   TestLazy\n"}
{"Action":"output","Package":"example.org/a","Test":"TestLazy","Output":"    a_test.go:7: no camera\n"}
{"Action":"output","Package":"example.org/a","Test":"TestLazy","Output":"--- SKIP: TestLazy (0.00s)\n"}
{"Action":"skip","Package":"example.org/a","Test":"TestLazy","Elapsed":0}
{"Action":"output","Package":"example.org/a","Output":"ok  \texample.org/a\t0.2s\n"}
{"Action":"pass","Package":"example.org/a","Elapsed":0.2}
`

const broken = `{"Action":"output","Package":"example.org/b","Output":"-test.shuffle 42\n"}
{"Action":"output","Package":"example.org/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"example.org/b","Test":"TestBad","Output":"    b_test.go:9: 1 is not 2\n"}
{"Action":"fail","Package":"example.org/b","Test":"TestBad","Elapsed":0.1}
{"Action":"output","Package":"example.org/b","Test":"TestHung","Output":"panic: test timed out after 8m0s\n"}
{"Action":"output","Package":"example.org/b","Test":"TestHung","Output":"\ngoroutine 9 [chan receive]:\nexample.org/b.TestHung(0x1)\n\t/b/b_test.go:30 +0x2f\ntesting.tRunner(0x1)\n\t/go/src/testing/testing.go:1 +0x1\n"}
{"Action":"fail","Package":"example.org/b","Elapsed":0.3}
{"ImportPath":"example.org/c","Action":"build-output","Output":"c.go:1: syntax error\n"}
{"ImportPath":"example.org/c","Action":"build-fail"}
{"Action":"fail","Package":"example.org/c","Elapsed":0}
not from test2json
{"Action":"skip","Package":"example.org/d","Elapsed":0}
`

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, events string
		strict, ok   bool
		has, lacks   []string
	}{
		{"good", recorded, false, true,
			[]string{"ok\texample.org/a\t0.2s\t1 tests", "SKIP\texample.org/a TestLazy: a_test.go:7: no camera", "1 passed, 0 failed, 1 skipped"},
			[]string{"chatter", "=== RUN"}},
		{"a skip where that is a failure", recorded, true, false, []string{"a skipped test is a failure"}, nil},
		{"bad", broken, false, false,
			[]string{"FAILED\texample.org/b TestBad\n\tb_test.go:9: 1 is not 2\n", "FAILED\texample.org/b TestHung\n\ttimed out\n\t/b/b_test.go:30\n", "-test.shuffle 42", "panic: test timed out", "FAIL\texample.org/b\t0.3s\t1 failed",
				"c.go:1: syntax error", "FAIL\texample.org/c", "not from test2json", "-\texample.org/d\tno tests", "0 passed, 1 failed, 0 skipped"},
			[]string{"=== RUN"}},
		{"nothing at all", "", true, true, []string{"0 passed"}, nil},
	} {
		var out strings.Builder
		ok, err := report(strings.NewReader(c.events), &out, c.strict)
		if ok != c.ok || err != nil {
			t.Errorf("%s: %v, %v instead of %v", c.name, ok, err, c.ok)
		}
		for _, want := range c.has {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: lacks %q:\n%s", c.name, want, out.String())
			}
		}
		for _, never := range c.lacks {
			if strings.Contains(out.String(), never) {
				t.Errorf("%s: has %q:\n%s", c.name, never, out.String())
			}
		}
	}
}

// Without a test in a run that was asked for, something is wrong with the run
// itself; go test says so with its exit status, which run passes on.
func TestRunPassesTheExitStatusOn(t *testing.T) {
	var out strings.Builder
	ok, err := run(t.Context(), []string{"./no/such/package"}, &out, false)
	if ok || err != nil {
		t.Errorf("%v, %v\n%s", ok, err, out.String())
	}
}
