package ambient

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Renounce keeps what this thread starts from inheriting rights: with CAP_SETUID
// a program could become root. Who is root hands on everything all the same.
//
// The caller has locked its goroutine to the thread and never unlocks it, so that
// the thread ends with the goroutine: what another one would start from it later
// would lack the rights.
func Renounce() error {
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) { // before Linux 4.3 nothing is inherited
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

// rights are the numbers of those that portico may need.
var rights = map[string]uint{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "CAP_FOWNER": unix.CAP_FOWNER,
	"CAP_KILL": unix.CAP_KILL, "CAP_SETUID": unix.CAP_SETUID, "CAP_SETGID": unix.CAP_SETGID,
}

// Has reports whether this thread, which has what all have, has the capability
// named, as CAP_KILL. What cannot be told, because it is forbidden to ask or not
// one that portico may need, root has.
func Has(name string) bool {
	var has [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	bit, known := rights[name]
	if err := unix.Capget(&head, &has[0]); err != nil || !known {
		return os.Geteuid() == 0
	}
	return has[bit/32].Effective&(1<<(bit%32)) != 0
}
