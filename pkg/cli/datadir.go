package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/durable"
)

// layout is the version of the data folder's layout. A daemon refuses a folder
// that a newer one has written.
const layout = 1

// openDataDir makes the folder where it is missing and takes the sole right to
// it. Two daemons on one folder would ruin what both write.
func openDataDir(dir string) (*durable.Lease, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir %s: %w; make the folder, or name another one with data_dir", dir, err)
	}
	lease, err := acquire(filepath.Join(dir, "lock"))
	if errors.Is(err, durable.ErrLeased) {
		return nil, fmt.Errorf("data_dir %s: another portico runs on this folder: %w; stop it, or give this one a data_dir of its own", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("data_dir %s: %w", dir, err)
	}
	if err := checkVersion(dir); err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	return lease, nil
}

// leaseTime is how long is waited for a folder that somebody has.
const leaseTime = 500 * time.Millisecond

// acquire takes the lease at path. Who has it may be a child that the daemon
// before made the moment it ended, and that lets go as it becomes its program.
func acquire(path string) (*durable.Lease, error) {
	late := time.Now().Add(leaseTime)
	for {
		lease, err := durable.Acquire(path)
		if !errors.Is(err, durable.ErrLeased) || time.Now().After(late) {
			return lease, err
		}
		time.Sleep(leaseTime / 25)
	}
}

// checkVersion reads the folder's layout from VERSION, and notes it in a new one.
func checkVersion(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, backup.Unfinished)); err == nil {
		return fmt.Errorf("data_dir %s: a restore was cut off and the data is not whole; run it again: portico restore --force", dir)
	}
	path := filepath.Join(dir, "VERSION")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := durable.WriteFile(path, 0o600, []byte(strconv.Itoa(layout)+"\n")); err != nil {
			return fmt.Errorf("data_dir %s: %w", dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("data_dir %s: %w", dir, err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil || v < 1:
		return fmt.Errorf("data_dir %s: the file VERSION holds %q and no number; if this is portico's folder, restore the file from a backup", dir, strings.TrimSpace(string(b)))
	case v > layout:
		return fmt.Errorf("data_dir %s was written by a newer portico (layout %d, this one knows %d); run that one, or restore a backup", dir, v, layout)
	}
	return nil
}
