//go:build !linux

package mux

import (
	"net"
	"net/netip"
)

func wantLocal(*net.UDPConn) {}

func localOf([]byte) netip.Addr { return netip.Addr{} }

func fromLocal(netip.Addr) []byte { return nil }
