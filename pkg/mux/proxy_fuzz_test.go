package mux

import (
	"bytes"
	"testing"
)

// FuzzProxyHeader checks that a header is consumed exactly and that neither how
// it is cut nor what follows it changes what is read.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{
		"PROXY TCP4 198.51.100.1 192.0.2.1 1234 80\r\nGET",
		"PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n",
		"PROXY UNKNOWN\r\n",
		proxyV2 + "\x21\x11\x00\x0c\xc6\x33\x64\x01\xc0\x00\x02\x01\x04\xd2\x00\x50rest",
		proxyV2 + "\x20\x00\x00\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 8<<10)]
		client, n, err := parseProxy(b)
		if n < 0 || n > len(b) || n > proxyV2Max || err != nil && n != 0 {
			t.Fatalf("length %d of %d, %v", n, len(b), err)
		}
		if n > 0 && b[0] == 'P' && !bytes.HasSuffix(b[:n], []byte("\r\n")) {
			t.Fatalf("version 1 ends in %q", b[:n])
		}
		for i := range b {
			c, m, e := parseProxy(b[:i])
			switch {
			case e != nil && err == nil, e == nil && m > 0 && m != n:
				t.Fatalf("%d bytes: %v %d %v; %d bytes: %v %d %v", i, c, m, e, len(b), client, n, err)
			case m > 0 && addrString(c) != addrString(client):
				t.Fatalf("%d bytes: %v; %d bytes: %v", i, c, len(b), client)
			}
		}
	})
}
