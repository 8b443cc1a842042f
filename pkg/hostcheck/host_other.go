//go:build !linux

package hostcheck

import "os"

// ownCapability: elsewhere only root may do what takes one.
func ownCapability(string) bool { return os.Geteuid() == 0 }

func room(string) (Room, bool) { return Room{}, false }

func openFiles() (limit uint64, ok bool) { return 0, false }

func clockSynced() (synced, ok bool) { return false, false }
