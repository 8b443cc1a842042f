package hostcheck

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/porticod/portico/pkg/config"
)

// disk looks at the room where data is kept.
func (h Host) disk(dir string) Finding {
	f := Finding{Check: "disk", Level: OK}
	for { // as long as it has not been made, the folder above tells
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	r, ok := h.Room(dir)
	if !ok {
		f.Found = "not known on this system"
		return f
	}
	f.Found = fmt.Sprintf("%s of %s free at %s", size(r.Free), size(r.Total), dir)
	if r.AllInodes > 0 {
		f.Found = fmt.Sprintf("%s, and %d of %d inodes", f.Found, r.FreeInodes, r.AllInodes)
	}
	switch bytes, inodes := scarce(r.Free, r.Total, 256<<20, 2<<30), scarce(r.FreeInodes, r.AllInodes, 1000, 10_000); {
	case bytes != OK && bytes == worse(bytes, inodes):
		f.Level, f.Remedy = bytes, "Make room or move data_dir: without it messages and pictures are refused, and nothing that is stored gets lost."
	case inodes != OK:
		f.Level, f.Remedy = inodes, "Remove small files, of others' too, or move data_dir to a file system with more inodes: each file takes one, whatever its size, and without one messages and pictures are refused."
	}
	return f
}

// scarce judges what is left of something: below little it fails, below some or a
// twentieth of all it is worth a warning. None of none is enough.
func scarce(free, all, little, some uint64) string {
	switch {
	case all == 0:
		return OK
	case free < little:
		return Fail
	case free < some || free < all/20:
		return Warn
	}
	return OK
}

func worse(a, b string) string {
	if a == Fail || b == OK {
		return a
	}
	return b
}

func size(n uint64) string {
	const unit = 1024
	v, name := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < unit {
			break
		}
		v, name = v/unit, u
	}
	return fmt.Sprintf("%.1f%s", v, name)
}

// files compares the limit of open files with what the config promises, and with
// what the daemon has open.
func (h Host) files(cfg *config.Config) Finding {
	f := Finding{Check: "open files", Level: OK}
	limit, ok := h.OpenFiles()
	found := fmt.Sprintf("%d allowed here", limit)
	if d := h.Daemon; d != nil && d.MaxFiles > 0 {
		limit, ok, found = d.MaxFiles, true, fmt.Sprintf("the daemon has %d open of %d that it may", d.Files, d.MaxFiles)
	}
	if !ok {
		f.Found = "no limit that is known"
		return f
	}
	want := uint64(max(cfg.Limits.Connections, 0))
	f.Found = fmt.Sprintf("%s, limits.connections is %d", found, want)
	const raise = "Raise LimitNOFILE= in the unit (systemctl edit portico)"
	switch d := h.Daemon; {
	case d != nil && d.Files > limit/10*9:
		f.Level = Fail
		f.Remedy = "Soon it can take no connection and open no file. portico sockets says who is connected. " + raise + ", or lower limits.connections."
	case d != nil && d.Files > limit/10*7:
		f.Level = Warn
		f.Remedy = "portico sockets says who is connected. " + raise + ", or lower limits.connections."
	case want > 0 && want+100 > limit:
		f.Level = Warn
		f.Remedy = "Each connection takes one open file, and proxied ones two. " + raise + ", or lower limits.connections."
	case limit < 4096:
		f.Level = Warn
		f.Remedy = "That is little for a server. Under the unit it is raised; where you start portico by hand say: ulimit -n 65536."
	}
	return f
}

// clock asks the kernel whether somebody keeps it right.
func (h Host) clock() Finding {
	f := Finding{Check: "clock", Level: OK, Found: "kept right by a time service"}
	synced, ok := h.Synced()
	switch {
	case !ok:
		f.Found = "the kernel does not say whether it is right"
	case !synced:
		f.Level, f.Found = Warn, "no time service keeps it right"
		f.Remedy = "Certificates and tokens depend on it. Start one: timedatectl set-ntp true."
	}
	return f
}
