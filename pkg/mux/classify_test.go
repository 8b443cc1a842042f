package mux_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/mux"
)

// clientHello is what crypto/tls sends first.
func clientHello(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		tls.Client(client, cfg).Handshake()
		client.Close()
	}()
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// refragment cuts the handshake message of one record into records of n bytes.
func refragment(hello []byte, n int) (b []byte) {
	for body := hello[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		b = append(b, 0x16, 3, 1, byte(len(part)>>8), byte(len(part)))
		b = append(b, part...)
	}
	return b
}

type sample struct {
	name  string
	bytes string
	want  mux.Verdict
	// after says with how many bytes the verdict is known; 0: all of them
	after int
}

func samples(t testing.TB) []sample {
	named := clientHello(t, &tls.Config{ServerName: "Photos.Example.ORG", NextProtos: []string{"h2", "http/1.1"}})
	bare := clientHello(t, &tls.Config{InsecureSkipVerify: true})
	known := mux.Verdict{Protocol: mux.TLS, SNI: "photos.example.org", ALPN: []string{"h2", "http/1.1"}}
	p := func(p mux.Protocol) mux.Verdict { return mux.Verdict{Protocol: p} }
	startup := "\x00\x00\x00\x1d\x00\x03\x00\x00user\x00u\x00database\x00d\x00\x00"
	return []sample{
		{"get", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", p(mux.HTTP1), 4},
		{"patch", "PATCH /x HTTP/1.1\r\n", p(mux.HTTP1), 6},
		{"propfind", "PROPFIND / HTTP/1.1\r\n", p(mux.HTTP1), 9},
		{"any token", "BREW!~ /pot HTTP/1.0\r\n", p(mux.HTTP1), 19},
		{"lower case", "get / HTTP/1.1\r\n", p(mux.HTTP1), 13},
		{"absolute form", "QUERY http://x/?a=b HTTP/1.1\r\n", p(mux.HTTP1), 27},
		{"begins like ssh", "SS / HTTP/1.1\r\n", p(mux.HTTP1), 12},
		{"begins like the preface", "PRI / HTTP/1.1\r\n", p(mux.HTTP1), 13},
		{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04", p(mux.HTTP2), 24},
		{"ssh", "SSH-2.0-OpenSSH_9.2p1\r\n", p(mux.SSH), 4},
		{"tls with names", string(named), known, len(named)},
		{"tls without names", string(bare), p(mux.TLS), len(bare)},
		{"tls in small records", string(refragment(named, 7)), known, 0},
		{"tls with a bad record after the first", string(refragment(named, 7)[:12]) + "\x17\x03", p(mux.TLS), 13},
		{"tls, too long", "\x16\x03\x01\x40\x00\x01\x00\xff\xff", p(mux.TLS), 9},
		{"postgres ssl request", "\x00\x00\x00\x08\x04\xd2\x16\x2f", p(mux.Postgres), 0},
		{"postgres gss request", "\x00\x00\x00\x08\x04\xd2\x16\x30", p(mux.Postgres), 0},
		{"postgres startup", startup, p(mux.Postgres), 8},
		{"postgres cancel", "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02", p(mux.Postgres), 8},
		{"mqtt 3.1.1", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", p(mux.MQTT), 8},
		{"mqtt 3.1", "\x10\x80\x01\x00\x06MQIsdp\x03", p(mux.MQTT), 11},
		{"socks5", "\x05\x02\x00\x02", p(mux.SOCKS5), 0},

		{"smtp", "EHLO mail.example.org\r\n", mux.Verdict{}, 22},
		{"redis", "*1\r\n$4\r\nPING\r\n", mux.Verdict{}, 3},
		{"no version", "GOT / FTP/1.1\r\n", mux.Verdict{}, 7},
		{"no target", "GOT  HTTP/1.1\r\n", mux.Verdict{}, 5},
		{"a long word", strings.Repeat("x", 70), mux.Verdict{}, 65},
		{"not tls", "\x16\x04\x01", mux.Verdict{}, 2},
		{"a tls handshake that is no hello", "\x16\x03\x01\x00\x10\x02", mux.Verdict{}, 6},
		{"not postgres", "\x00\x00\x00\x08\x05", mux.Verdict{}, 5},
		{"postgres of no length", "\x00\x00\x00\x07\x00\x03\x00\x00", mux.Verdict{}, 8},
		{"not mqtt", "\x10\x0c\x00\x05", mux.Verdict{}, 4},
		{"mqtt of endless length", "\x10\xff\xff\xff\xff", mux.Verdict{}, 5},
		{"socks5 without methods", "\x05\x00", mux.Verdict{}, 2},
		{"binary", "\xff\xfe", mux.Verdict{}, 1},
		{"line break first", "\r\nGET / HTTP/1.1\r\n", mux.Verdict{}, 1},
	}
}

func TestClassify(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			after := s.after
			if after == 0 {
				after = len(s.bytes)
			}
			for n := range len(s.bytes) + 1 {
				v, done := mux.Classify([]byte(s.bytes[:n]), false)
				if done != (n >= after) {
					t.Fatalf("after %d bytes done = %v, want it after %d", n, done, after)
				}
				if done && !cmp.Equal(v, s.want) {
					t.Fatalf("after %d bytes: %s", n, cmp.Diff(s.want, v))
				}
			}
			if v, done := mux.Classify([]byte(s.bytes), true); !done || !cmp.Equal(v, s.want) {
				t.Fatalf("at the end: %v %v", v, done)
			}
		})
	}
}

func TestClassifyEnd(t *testing.T) {
	for in, want := range map[string]mux.Protocol{
		"":                         mux.Silent,
		"GE":                       mux.Unknown,
		"SSH":                      mux.Unknown,
		"\x16\x03\x01\x02\x00\x01": mux.TLS,
		"\x16\x03":                 mux.Unknown,
		"\x05\x03\x00":             mux.Unknown,
	} {
		if v, done := mux.Classify([]byte(in), true); !done || v.Protocol != want {
			t.Errorf("%q: %q, %v; want %q", in, v.Protocol, done, want)
		}
	}
}

// FuzzClassify checks that the verdict does not depend on how the bytes are
// cut: once it is done, it stays what it is for every longer beginning.
func FuzzClassify(f *testing.F) {
	for _, s := range samples(f) {
		f.Add([]byte(s.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 4<<10)]
		want, done := mux.Classify(b, false)
		atEnd, _ := mux.Classify(b, true)
		if done && !cmp.Equal(want, atEnd) {
			t.Fatalf("at the end %v, before %v", atEnd, want)
		}
		for n := range b {
			// A fresh copy, so that a look beyond the end is seen.
			v, d := mux.Classify(bytes.Clone(b[:n]), false)
			switch {
			case d && !done:
				t.Fatalf("done after %d bytes, not after %d", n, len(b))
			case d && !cmp.Equal(v, want):
				t.Fatalf("after %d bytes %v, after %d %v", n, v, len(b), want)
			}
			if e, _ := mux.Classify(b[:n], true); d && !cmp.Equal(e, v) {
				t.Fatalf("after %d bytes %v, at the end %v", n, v, e)
			}
		}
	})
}

// FuzzHello compares the names with those that crypto/tls reads from the same
// bytes, cut into records at random.
func FuzzHello(f *testing.F) {
	for _, cfg := range []*tls.Config{
		{ServerName: "a.example.org", NextProtos: []string{"h2"}},
		{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{"mqtt", "x"}},
	} {
		f.Add(clientHello(f, cfg), 50)
	}
	f.Fuzz(func(t *testing.T, hello []byte, size int) {
		if len(hello) < 10 || len(hello) > 4<<10 {
			return
		}
		b := refragment(hello, max(1, size%1000))
		var chi *tls.ClientHelloInfo
		srv := tls.Server(&replay{r: bytes.NewReader(b)}, &tls.Config{
			GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
				chi = i
				return nil, fmt.Errorf("seen enough")
			},
		})
		srv.Handshake()
		if chi == nil || chi.ServerName == "" && len(chi.SupportedProtos) == 0 {
			return // crypto/tls does not like it; nor need we
		}
		v, _ := mux.Classify(b, true)
		want := mux.Verdict{Protocol: mux.TLS, SNI: strings.ToLower(chi.ServerName), ALPN: chi.SupportedProtos}
		if !cmp.Equal(v, want) {
			t.Fatal(cmp.Diff(want, v))
		}
	})
}

// replay is a connection that has sent something and ended.
type replay struct {
	net.Conn
	r *bytes.Reader
}

func (r *replay) Read(b []byte) (int, error)       { return r.r.Read(b) }
func (r *replay) Write(b []byte) (int, error)      { return len(b), nil }
func (r *replay) Close() error                     { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }
func (r *replay) SetDeadline(time.Time) error      { return nil }
