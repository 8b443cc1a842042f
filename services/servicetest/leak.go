package servicetest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

// held is what a process holds that a service may leak.
type held struct{ goroutines, files int }

func holdings() held {
	h := held{goroutines: runtime.NumGoroutine()}
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if list, err := os.ReadDir(dir); err == nil {
			h.files = len(list)
			break
		}
	}
	return h
}

// settle waits until the process holds no more than h again; goroutines need a
// moment to end. The kernel's pipes that the runtime keeps for splice are given
// back by the garbage collector.
func (h held) settle(d time.Duration) error {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		runtime.GC()
		now := holdings()
		if now.goroutines <= h.goroutines && now.files <= h.files {
			return nil
		}
		if time.Now().After(deadline) {
			var dump bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&dump, 1)
			return fmt.Errorf("%d goroutines instead of %d, %d descriptors instead of %d after Close\n%s",
				now.goroutines, h.goroutines, now.files, h.files, dump.Bytes())
		}
		time.Sleep(pause)
	}
}
