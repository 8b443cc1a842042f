package tcp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
)

// The parts of a version 2 header: PROXY protocol specification, section 2.2.
const (
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	v2Local     = 0x20 // version 2, LOCAL: the proxy speaks for itself
	v2Proxy     = 0x21 // version 2, PROXY
	v2Unknown   = 0x00 // address family and protocol
	v2TCP4      = 0x11
	v2TCP6      = 0x21
)

// proxyHeader is the header of a connection that client made to server, in
// version "v1" or "v2". Addresses that are not of TCP, as those of a unix
// socket, cannot be told: the header says so, and the upstream goes by the
// connection's own.
func proxyHeader(version string, client, server net.Addr) []byte {
	src, dst, ok := endpoints(client, server)
	if version == "v1" {
		return headerV1(src, dst, ok)
	}
	return headerV2(src, dst, ok)
}

// ownHeader is the header of a connection that portico makes on its own account,
// as for a check.
func ownHeader(version string) []byte {
	return proxyHeader(version, nil, nil)
}

// endpoints makes both addresses one family; where they differ that is IPv6.
func endpoints(client, server net.Addr) (src, dst netip.AddrPort, ok bool) {
	c, ok1 := client.(*net.TCPAddr)
	s, ok2 := server.(*net.TCPAddr)
	if !ok1 || !ok2 {
		return src, dst, false
	}
	from, to := c.AddrPort().Addr().Unmap().WithZone(""), s.AddrPort().Addr().Unmap().WithZone("")
	if !from.IsValid() || !to.IsValid() {
		return src, dst, false
	}
	if from.Is4() != to.Is4() {
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return netip.AddrPortFrom(from, c.AddrPort().Port()), netip.AddrPortFrom(to, s.AddrPort().Port()), true
}

// headerV1 is a line of text: section 2.1.
func headerV1(src, dst netip.AddrPort, ok bool) []byte {
	if !ok {
		return []byte("PROXY UNKNOWN\r\n")
	}
	b := []byte("PROXY TCP4 ")
	if src.Addr().Is6() {
		b = []byte("PROXY TCP6 ")
	}
	b = append(src.Addr().AppendTo(b), ' ')
	b = append(dst.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(dst.Port()), 10)
	return append(b, "\r\n"...)
}

// headerV2 is binary: section 2.2.
func headerV2(src, dst netip.AddrPort, ok bool) []byte {
	b := []byte(v2Signature)
	if !ok {
		// PROXY with an unknown family is allowed too, but not all take it.
		return append(b, v2Local, v2Unknown, 0, 0)
	}
	family := byte(v2TCP4)
	if src.Addr().Is6() {
		family = v2TCP6
	}
	from, to := src.Addr().AsSlice(), dst.Addr().AsSlice()
	b = append(b, v2Proxy, family)
	b = binary.BigEndian.AppendUint16(b, uint16(2*len(from)+4))
	b = append(append(b, from...), to...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}
