package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holderOf looks for the process that listens where a cannot. It sees those of
// other users only with the right to.
func holderOf(a Address) *Holder {
	state := "0A" // listening
	if a.Network == "udp" {
		state = "07" // bound
	}
	for _, table := range []string{"/proc/net/" + a.Network, "/proc/net/" + a.Network + "6"} {
		if inode := listenerInode(table, state, a); inode != "" {
			return holderOfInode(inode)
		}
	}
	return nil
}

// listenerInode finds the inode of a listening socket in a table of the kernel
// (proc(5)) that keeps a from being bound.
func listenerInode(table, state string, a Address) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		w := strings.Fields(sc.Text())
		if len(w) < 10 || w[3] != state {
			continue
		}
		if ap, ok := parseAddr(w[1]); ok && int(ap.Port()) == a.Port && overlaps(a.Host, ap.Addr()) {
			return w[9]
		}
	}
	return ""
}

// parseAddr reads "0100007F:0BB9": words of the machine's byte order in
// hexadecimal.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for w := range slices.Chunk(b, 4) {
		binary.NativeEndian.PutUint32(w, binary.BigEndian.Uint32(w))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), ok
}

// overlaps reports whether a socket at ip can be what keeps host from being bound.
func overlaps(host string, ip netip.Addr) bool {
	h, err := netip.ParseAddr(host)
	return err != nil || h.IsUnspecified() || ip.IsUnspecified() || h.Unmap().WithZone("") == ip
}

// holderOfInode finds the process that has a socket.
func holderOfInode(inode string) *Holder {
	link := "socket:[" + inode + "]"
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == link {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2]) // digits, says the pattern
			return holder(pid)
		}
	}
	return nil
}

func holder(pid int) *Holder {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return nil
	}
	return &Holder{PID: pid, Name: string(bytes.TrimSpace(comm))}
}

// holderOfUnix asks the kernel who is at the other end.
func holderOfUnix(nc net.Conn) (h *Holder) {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return nil
	}
	rc, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	_ = rc.Control(func(fd uintptr) { // fails only when closed
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			h = holder(int(cred.Pid))
		}
	})
	return h
}
