package process_test

import "runtime"

// lockAndExit ends the thread that it runs on.
func lockAndExit() { runtime.LockOSThread() }
