package mux

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wantLocal has the kernel tell at which address of this machine each packet
// came (ip(7), IP_PKTINFO; RFC 3542 section 6.2). Without it answers of a socket
// on all addresses may leave from another one than was asked.
func wantLocal(pc *net.UDPConn) {
	rc, err := pc.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		// One of the two is refused, as the socket's family has it.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
}

// localOf is the address that a packet was sent to, from its control messages.
func localOf(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[8:12])) // ipi_addr
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return netip.Addr{}
}

// fromLocal is the control message that makes a packet leave from a.
func fromLocal(a netip.Addr) []byte {
	switch {
	case !a.IsValid() || a.IsMulticast():
		return nil
	case a.Is4():
		data := make([]byte, unix.SizeofInet4Pktinfo)
		ip := a.As4()
		copy(data[4:], ip[:]) // ipi_spec_dst
		return controlMessage(unix.IPPROTO_IP, unix.IP_PKTINFO, data)
	}
	data := make([]byte, unix.SizeofInet6Pktinfo)
	ip := a.As16()
	copy(data, ip[:])
	return controlMessage(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, data)
}

func controlMessage(level, typ int, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	// struct cmsghdr: a size_t, two ints, in the machine's own order.
	n := unix.CmsgLen(len(data))
	at := int(unsafe.Sizeof(uintptr(0)))
	if at == 8 {
		binary.NativeEndian.PutUint64(b, uint64(n))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(n))
	}
	binary.NativeEndian.PutUint32(b[at:], uint32(level))
	binary.NativeEndian.PutUint32(b[at+4:], uint32(typ))
	copy(b[unix.CmsgLen(0):], data)
	return b
}
