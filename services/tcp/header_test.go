package tcp_test

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/porticod/portico/services/tcp"
)

func address(s string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func TestProxyHeaderBytes(t *testing.T) {
	four, other := address("192.0.2.1:51234"), address("198.51.100.7:22")
	six := address("[2001:db8::1]:51234")
	sock := &net.UnixAddr{Net: "unix", Name: "/run/x.sock"}
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	for _, c := range []struct {
		version     string
		client, srv net.Addr
		want        string
	}{
		{"v1", four, other, "PROXY TCP4 192.0.2.1 198.51.100.7 51234 22\r\n"},
		{"v1", address("[::ffff:192.0.2.1]:51234"), other, "PROXY TCP4 192.0.2.1 198.51.100.7 51234 22\r\n"},
		{"v1", six, address("[2001:db8::2]:22"), "PROXY TCP6 2001:db8::1 2001:db8::2 51234 22\r\n"},
		{"v1", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 1}, six, "PROXY TCP6 fe80::1 2001:db8::1 1 51234\r\n"},
		{"v1", six, other, "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.7 51234 22\r\n"},
		{"v1", sock, other, "PROXY UNKNOWN\r\n"},
		{"v1", &net.TCPAddr{}, other, "PROXY UNKNOWN\r\n"},
		{"v2", four, other, signature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xc8\x22\x00\x16"},
		{"v2", sock, other, signature + "\x20\x00\x00\x00"},
	} {
		if got := string(tcp.ProxyHeader(c.version, c.client, c.srv)); got != c.want {
			t.Errorf("%s of %v to %v:\n%q instead of\n%q", c.version, c.client, c.srv, got, c.want)
		}
	}
	if got := string(tcp.OwnHeader("v2")); got != signature+"\x20\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

// What is written, others read: pires/go-proxyproto is what pkg/mux reads with.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint16(1), []byte{198, 51, 100, 7}, uint16(65535))
	f.Add([]byte(net.ParseIP("2001:db8::1")), uint16(0), []byte(net.ParseIP("::1")), uint16(22))
	f.Add([]byte(net.ParseIP("2001:db8::1")), uint16(9), []byte{127, 0, 0, 1}, uint16(22))
	f.Add([]byte(net.ParseIP("::ffff:10.0.0.1").To16()), uint16(9), []byte{127, 0, 0, 1}, uint16(22))
	f.Add([]byte{}, uint16(0), []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, src []byte, sport uint16, dst []byte, dport uint16) {
		client, server := &net.TCPAddr{IP: src, Port: int(sport)}, &net.TCPAddr{IP: dst, Port: int(dport)}
		known := len(client.IP.To16()) > 0 && len(server.IP.To16()) > 0
		for _, version := range []string{"v1", "v2"} {
			b := tcp.ProxyHeader(version, client, server)
			if version == "v1" && len(b) > 107 {
				t.Errorf("%d bytes; section 2.1 allows 107", len(b))
			}
			rest := bufio.NewReader(bytes.NewReader(append(bytes.Clone(b), "rest"...)))
			h, err := proxyproto.Read(rest)
			if err != nil {
				t.Fatalf("%s %q: %v", version, b, err)
			}
			if left := rest.Buffered(); left != len("rest") {
				t.Errorf("%s %q: %d bytes are left", version, b, left)
			}
			if h.TransportProtocol == proxyproto.UNSPEC {
				if known {
					t.Errorf("%s does not name %v and %v", version, client, server)
				}
				continue
			}
			from, to := h.SourceAddr.(*net.TCPAddr), h.DestinationAddr.(*net.TCPAddr)
			if !from.IP.Equal(client.IP) || from.Port != client.Port || !to.IP.Equal(server.IP) || to.Port != server.Port {
				t.Errorf("%s: %v to %v became %v to %v", version, client, server, from, to)
			}
		}
	})
}
