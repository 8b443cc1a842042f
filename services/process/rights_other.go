//go:build !linux

package process

import "os"

// A right is what only root has.
type right string

func needed(bool) []right { return []right{"the rights of root"} }

func names(rights []right) (list []string) {
	for _, r := range rights {
		list = append(list, string(r))
	}
	return list
}

// lacking: elsewhere only root may become somebody else.
func lacking(bool) []string {
	if os.Geteuid() == 0 {
		return nil
	}
	return names(needed(false))
}
