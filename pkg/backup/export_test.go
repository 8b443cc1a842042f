package backup

// Inside makes a restore work in the data folder, as where it is a disk of its
// own.
func Inside(o RestoreOptions, inside bool) RestoreOptions {
	o.inside = inside
	return o
}
