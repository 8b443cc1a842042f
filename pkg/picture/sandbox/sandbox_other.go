//go:build !linux || !(amd64 || arm64)

package sandbox

import "errors"

// Enter can do nothing on this system.
func Enter(Limits) Report {
	var r Report
	r.miss("all of it", errors.ErrUnsupported)
	return r
}
