package mux_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// from is a client whose address a PROXY header tells.
func (r *rig) from(ip string) net.Conn {
	r.t.Helper()
	nc := r.dial()
	family := "TCP4"
	if strings.Contains(ip, ":") {
		family = "TCP6"
	}
	other := map[string]string{"TCP4": "192.0.2.1", "TCP6": "2001:db8::1"}[family]
	fmt.Fprintf(nc, "PROXY %s %s %s 1234 80\r\n", family, ip, other)
	return nc
}

// closed reports whether the port closed nc without a byte.
func closed(t testing.TB, nc net.Conn) bool {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(wait.Patience))
	n, err := nc.Read(make([]byte, 1))
	ne, ok := err.(net.Error)
	return n == 0 && err != nil && !(ok && ne.Timeout())
}

// alive reports whether an echo comes back.
func alive(t testing.TB, nc net.Conn) bool {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(wait.Patience))
	io.WriteString(nc, "SSH-")
	b := make([]byte, 4)
	_, err := io.ReadFull(nc, b)
	return err == nil && string(b) == "SSH-"
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{MaxConns: 2})
	a, b := r.dial(), r.dial()
	if !alive(t, a) || !alive(t, b) {
		t.Fatal("the first two are not served")
	}
	if !closed(t, r.dial()) {
		t.Fatal("a third is")
	}
	r.refused("full", 1)
	a.Close()
	wait.Until(t, "one is left", func() bool { return r.Open() == 1 })
	if !alive(t, r.dial()) {
		t.Fatal("the next is not served")
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	var total mux.Budget
	total.SetLimit(2)
	one, two := serve(t, mux.Policy{Budget: &total}), serve(t, mux.Policy{Budget: &total})
	a := one.dial()
	if !alive(t, a) || !alive(t, two.dial()) {
		t.Fatal("the first two are not served")
	}
	if !closed(t, two.dial()) {
		t.Fatal("a third is")
	}
	two.refused("total", 1)
	a.Close()
	wait.Until(t, "one is left", func() bool { return total.Used() == 1 })
	if !alive(t, two.dial()) {
		t.Fatal("the next is not served")
	}
	total.SetLimit(0)
	if !alive(t, two.dial()) {
		t.Fatal("0 is no limit")
	}
}

func TestPerIP(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookRaw} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, mux.Policy{Look: look, PerIP: 1, ProxyFrom: loopback})
			first := r.from("198.51.100.1")
			if !alive(t, first) || !alive(t, r.from("198.51.100.2")) {
				t.Fatal("one from each is not served")
			}
			if !closed(t, r.from("198.51.100.1")) {
				t.Fatal("a second from one address is served")
			}
			if !alive(t, r.from("2001:db8:0:1::1")) || !closed(t, r.from("2001:db8:0:1::2")) || !alive(t, r.from("2001:db8:0:2::1")) {
				t.Fatal("IPv6 clients are not counted by /64")
			}
			r.refused("per_ip", 2)
			first.Close()
			wait.Until(t, "it is closed", func() bool { return r.Open() == 3 })
			if !alive(t, r.from("198.51.100.1")) {
				t.Fatal("the address is still counted")
			}
			for range 3 {
				if !alive(t, r.from("127.0.0.1")) {
					t.Fatal("loopback is not exempt")
				}
			}
		})
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookRaw, Rate: 3, ProxyFrom: loopback})
	ok, begin := 0, time.Now()
	for range 8 {
		nc := r.from("198.51.100.1")
		if alive(t, nc) {
			ok++
		}
		nc.Close()
	}
	if took := time.Since(begin); ok < 3 || float64(ok) > 4+3*took.Seconds() {
		t.Fatalf("%d of 8 served in %v", ok, took)
	}
	if !alive(t, r.from("198.51.100.2")) {
		t.Fatal("another address is not served")
	}
	r.refused("rate", float64(8-ok))
	for range 8 {
		if !alive(t, r.from("::1")) {
			t.Fatal("loopback is not exempt")
		}
	}
}

func TestAllowDeny(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix
	r := serve(t, mux.Policy{
		Look: mux.LookRaw, ProxyFrom: loopback,
		Allow: []netip.Prefix{p("198.51.100.0/24"), p("2001:db8::/32")},
		Deny:  []netip.Prefix{p("198.51.100.7/32")},
	})
	for ip, want := range map[string]bool{
		"198.51.100.1": true, "198.51.100.7": false, "203.0.113.1": false, "2001:db8::1": true, "2001:db9::1": false, "127.0.0.1": false,
	} {
		nc := r.from(ip)
		if want && !alive(t, nc) || !want && !closed(t, nc) {
			t.Errorf("%s: want %v", ip, want)
		}
	}
	r.refused("denied", 4)
	direct := serve(t, mux.Policy{Look: mux.LookRaw, Deny: loopback})
	if !closed(t, direct.dial()) {
		t.Error("a denied peer without PROXY is served")
	}
	unix := serveUnix(t, mux.Policy{Look: mux.LookRaw, Allow: []netip.Prefix{p("192.0.2.0/24")}, PerIP: 1, Rate: 1})
	for range 3 {
		if !alive(t, unix.dial()) {
			t.Error("a unix peer is not exempt")
		}
	}
}

const v2 = "\r\n\r\n\x00\r\nQUIT\n"

func TestProxyHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, header, want string }{
		{"v1", "PROXY TCP4 198.51.100.1 192.0.2.1 1234 80\r\n", "198.51.100.1:1234"},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n", "[2001:db8::1]:1234"},
		{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
		{"v2", v2 + "\x21\x11\x00\x0c\xc6\x33\x64\x01\xc0\x00\x02\x01\x04\xd2\x00\x50", "198.51.100.1:1234"},
		{"v2 with TLVs", v2 + "\x21\x11\x00\x10\xc6\x33\x64\x01\xc0\x00\x02\x01\x04\xd2\x00\x50\x04\x00\x01\x00", "198.51.100.1:1234"},
		{"v2 local", v2 + "\x20\x00\x00\x00", ""},
	} {
		for name, pol := range map[string]mux.Policy{
			"split": {}, "direct": {Look: mux.LookHTTP},
			"tls": {Look: mux.LookHTTP, TLS: serverTLS()},
		} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				pol.ProxyFrom = loopback
				r := serve(t, pol)
				nc := r.dial()
				for _, b := range []byte(tt.header[:len(tt.header)-1]) { // the hard way
					nc.Write([]byte{b})
				}
				last := tt.header[len(tt.header)-1:]
				var br *bufio.Reader
				if pol.TLS != nil {
					io.WriteString(nc, last)
					nc = tlsClient(nc)
					io.WriteString(nc, request)
				} else {
					io.WriteString(nc, last+request) // in one packet
				}
				br = bufio.NewReader(nc)
				res, body := answer(t, br)
				want := tt.want
				if want == "" {
					want = nc.LocalAddr().String()
				}
				if got := res.Header.Get("Peer"); got != want || body != "hello HTTP/1.1" {
					t.Fatalf("peer %q, want %q; %q", got, want, body)
				}
			})
		}
	}
}

func TestProxyHeaderMissing(t *testing.T) {
	t.Parallel()
	long := "PROXY TCP4 " + strings.Repeat("1", 200)
	for _, look := range []mux.Look{mux.LookSplit, mux.LookHTTP} {
		r := serve(t, slow(mux.Policy{Look: look, ProxyFrom: loopback}))
		bad := []string{request, "", "PROXY TCP4 x", "PROXY TCP4 a b c d\r\n", long, "PROXX",
			v2 + "\x21\x11\xff\xff", v2 + "\x31\x11\x00\x00", v2 + "\x21\x12\x00\x0c\xc6\x33\x64\x01\xc0\x00\x02\x01\x04\xd2\x00\x50"}
		for _, b := range bad {
			nc := r.dial()
			io.WriteString(nc, b)
			if got, _ := io.ReadAll(nc); len(got) > 0 { // closed, or reset
				t.Errorf("%q was answered: %q", b, got)
			}
		}
		r.refused("proxy", float64(len(bad)))
	}
	// Who is not in the list has no say: the header is not HTTP.
	r := serve(t, mux.Policy{Look: mux.LookHTTP, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	nc := r.from("198.51.100.1")
	if res, _ := answer(t, bufio.NewReader(nc)); res.StatusCode != 400 {
		t.Errorf("a header from a stranger: %s", res.Status)
	}
}
