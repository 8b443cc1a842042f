//go:build !linux

package cli

// listeningSockets: elsewhere nobody says who listens where.
func listeningSockets(func(uid int) bool) []string { return nil }
