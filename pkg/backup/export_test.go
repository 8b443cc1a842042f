package backup

import (
	"errors"
	"os"
	"path/filepath"
)

// Inside makes a restore work in the data folder, as where it is a disk of its
// own.
func Inside(o RestoreOptions, inside bool) RestoreOptions {
	o.inside = inside
	return o
}

// Work makes a folder to work in, puts something into it and removes it, as a
// backup does.
func Work(parent string) error {
	w, err := newWork(parent)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(w.path, "file"), nil, 0o600), w.close())
}
