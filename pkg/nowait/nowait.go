// Package nowait reads from sockets and writes to them without waiting and, on
// Linux, without telling Go's scheduler. It keeps to no deadline and never waits:
// who gets EAGAIN does that elsewhere.
//
// The scheduler expects that a system call may last, and has a thread watch over
// each that takes longer than 20 microseconds, which a write to a loopback socket
// does when the kernel receives it in the same breath. Where many such calls are made, that
// watch and what follows from it are a tenth of the time. Such a call takes as long
// as any piece of code that copies so many bytes.
package nowait

// MaxVector is how many pieces Writev takes.
const MaxVector = 4
