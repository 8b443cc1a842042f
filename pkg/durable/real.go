package durable

import "path/filepath"

// Real is path with symbolic links followed, as far as it is there.
func Real(path string) string {
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if p, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(p, rest)
		}
		if dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}
