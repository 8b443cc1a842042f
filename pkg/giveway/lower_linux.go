package giveway

import "golang.org/x/sys/unix"

// nice is how much a thread gives way: it gets a quarter of a processor that another
// one wants too, and whoever wakes up there goes before it. More would have those who
// wait for the thread, such as the collector of garbage, wait for others' programs.
const nice = 5

// lower makes the calling thread give way. Where that is not allowed, or it does so
// more already, everything stays as it is.
func lower() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice) } // of a thread, whatever its name says
