// Package mux splits one socket by protocol.
package mux

import "net"

// Conn is a connection on its way through a port.
type Conn struct{ net.Conn }
