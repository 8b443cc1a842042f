// Package giveway runs work that may take a little longer behind everything else that
// the process does. It queues nothing, and does nothing at a better time.
package giveway

import "runtime"

// Do runs f on a thread that gives way to those of requests, where the kernel lets
// it, and returns when f has. A panic of f is the caller's. f must start no program,
// which would give way for ever.
func Do(f func()) {
	if runtime.GOMAXPROCS(0) == 1 { // all of Go would give way meanwhile
		f()
		return
	}
	failed := make(chan any, 1)
	go func() {
		defer func() { failed <- recover() }()
		// Never unlocked: the thread ends with the goroutine, because it takes a right
		// to become again what it was.
		runtime.LockOSThread()
		lower()
		f()
	}()
	if v := <-failed; v != nil {
		panic(v)
	}
}
