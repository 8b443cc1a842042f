package servicetest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// held is what a process holds that a service may leak.
type held struct{ goroutines, files, pipes int }

func holdings() held {
	h := held{goroutines: runtime.NumGoroutine()}
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		list, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, fd := range list {
			if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && strings.HasPrefix(to, "pipe:") {
				h.pipes++
			} else {
				h.files++
			}
		}
		break
	}
	return h
}

func (h held) within(limit held) bool {
	return h.goroutines <= limit.goroutines && h.files <= limit.files && h.pipes <= limit.pipes
}

// settle waits until the process holds no more than h again; goroutines need a
// moment to end.
func (h held) settle(d time.Duration) error {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		now := holdings()
		if now.pipes > h.pipes && now.goroutines <= h.goroutines && now.files <= h.files {
			// The net package keeps the pipes of splice until they are collected.
			// Only then: collecting would hide other files that nobody closed.
			runtime.GC()
			now = holdings()
		}
		if now.within(h) {
			return nil
		}
		if time.Now().After(deadline) {
			var dump bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&dump, 1)
			return fmt.Errorf("%d goroutines instead of %d, %d descriptors instead of %d, %d ends of pipes instead of %d after Close\n%s",
				now.goroutines, h.goroutines, now.files, h.files, now.pipes, h.pipes, dump.Bytes())
		}
		time.Sleep(pause)
	}
}
