//go:build race

package sandbox

// race: the race detector maps terabytes.
const race = true
