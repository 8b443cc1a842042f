package config

import "fmt"

// NeedsRestart says what a reload from old to new cannot change, as sentences
// for people; nil if there is nothing.
func NeedsRestart(old, new *Config) []string {
	var why []string
	if old.DataDir != new.DataDir {
		why = append(why, fmt.Sprintf("data_dir changed from %s to %s, which needs a restart", old.DataDir, new.DataDir))
	}
	if old.Admin.Socket != new.Admin.Socket {
		why = append(why, fmt.Sprintf("admin.socket changed from %s to %s, which needs a restart", old.Admin.Socket, new.Admin.Socket))
	}
	if old.Storage != new.Storage {
		why = append(why, "storage changed, which needs a restart")
	}
	return why
}
