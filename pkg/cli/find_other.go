//go:build !linux

package cli

// listeningSockets: elsewhere nobody says who listens where.
func listeningSockets() []string { return nil }
