package cli_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/cli"
)

// Only what was never changed, cannot be written and is the program's is let go.
func TestUnchanged(t *testing.T) {
	smaps := `00400000-01b00000 r-xp 00000000 fe:01 77 /usr/bin/portico
Size:              23552 kB
Rss:               14900 kB
Anonymous:             0 kB
01b00000-02500000 r--p 01700000 fe:01 77 /usr/bin/portico
Anonymous:             4 kB
02500000-02600000 rw-p 02100000 fe:01 77 /usr/bin/portico
Anonymous:             0 kB
02600000-02700000 r--p 00000000 fe:01 78 /usr/lib/other
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
03000000-03001000 r--p 00000000 fe:01 77 /usr/bin/portico
Anonymous:             0 kB
broken
`
	want := [][2]uintptr{{0x400000, 0x1b00000}, {0x3000000, 0x3001000}}
	if diff := cmp.Diff(want, cli.Unchanged([]byte(smaps), "/usr/bin/portico")); diff != "" {
		t.Error(diff)
	}
}
