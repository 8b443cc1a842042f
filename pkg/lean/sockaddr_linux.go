package lean

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Sockaddr is an address as the kernel has it: struct sockaddr_in or sockaddr_in6.
type Sockaddr [unix.SizeofSockaddrInet6]byte

// SockaddrOf is that of a, without its zone, and its family and size.
func SockaddrOf(a netip.AddrPort) (sa Sockaddr, family, size uintptr) {
	binary.BigEndian.PutUint16(sa[2:], a.Port())
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(sa[:], unix.AF_INET)
		ip := a.Addr().As4()
		copy(sa[4:], ip[:])
		return sa, unix.AF_INET, unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(sa[:], unix.AF_INET6)
	ip := a.Addr().As16()
	copy(sa[8:], ip[:])
	return sa, unix.AF_INET6, unix.SizeofSockaddrInet6
}

// AddrPort is the address. A zone is the number of its interface.
func (sa *Sockaddr) AddrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(sa[2:])
	if binary.NativeEndian.Uint16(sa[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(sa[4:])), port)
	}
	ip := netip.AddrFrom16([16]byte(sa[8:]))
	if zone := binary.NativeEndian.Uint32(sa[24:]); zone != 0 && ip.IsLinkLocalUnicast() {
		ip = ip.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return netip.AddrPortFrom(ip, port)
}
