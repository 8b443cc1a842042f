// Package ambient gives up the rights that what a thread starts would inherit
// (AmbientCapabilities of systemd, capabilities(7)), and says which there are. It
// leaves those of the thread itself alone, and starts nothing.
package ambient
