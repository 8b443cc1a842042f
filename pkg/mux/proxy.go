package mux

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	proxyV1      = "PROXY "
	proxyV1Max   = 107 // bytes with CRLF; PROXY protocol specification section 2.1
	proxyV2      = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed = 16
	proxyV2Max   = proxyV2Fixed + 4096 // addresses take 216, the rest is for TLVs
)

var errNoProxyHeader = errors.New("no PROXY header")

// proxyLength returns how long the header is that b begins with; 0: more bytes
// are needed.
func proxyLength(b []byte) (int, error) {
	switch {
	case starts(b, proxyV1) != no:
		i := bytes.IndexByte(b, '\n')
		if i >= proxyV1Max || i < 0 && len(b) >= proxyV1Max {
			return 0, errNoProxyHeader
		}
		return i + 1, nil
	case starts(b, proxyV2) != no:
		if len(b) < proxyV2Fixed {
			return 0, nil
		}
		n := proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
		if n > proxyV2Max {
			return 0, errNoProxyHeader
		}
		if len(b) < n {
			return 0, nil
		}
		return n, nil
	}
	return 0, errNoProxyHeader
}

// parseProxy reads a PROXY header, version 1 or 2, off the beginning of b: its
// length and the client's address, nil where the header names none (LOCAL and
// UNKNOWN: the proxy speaks for itself). n is 0 while more bytes are needed.
func parseProxy(b []byte) (client net.Addr, n int, err error) {
	n, err = proxyLength(b)
	if n == 0 || err != nil {
		return nil, 0, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b[:n]), proxyV1Max+1))
	if err != nil {
		return nil, 0, err
	}
	if h.Command.IsLocal() || h.TransportProtocol == proxyproto.UNSPEC {
		return nil, n, nil
	}
	switch a := h.SourceAddr.(type) {
	case *net.TCPAddr, *net.UnixAddr:
		return a, n, nil
	}
	return nil, 0, errNoProxyHeader // a datagram over a stream
}

// readProxy consumes the PROXY header of c, exactly, where its peer must send
// one, and admits the client that it names. It returns why c must be closed, or
// "".
func (p *Port) readProxy(c *Conn, deadline time.Time) (reason string) {
	if !c.proxied {
		return ""
	}
	var client net.Addr
	var n int
	var bad error
	err := c.peek(deadline, func(b []byte, end bool) bool {
		client, n, bad = parseProxy(b)
		return n > 0 || bad != nil || end
	})
	if err != nil || bad != nil || n == 0 {
		return refusedProxy
	}
	// All of it is in the queue: this does not wait.
	if _, err := io.ReadFull(c.sock, make([]byte, n)); err != nil {
		return refusedError
	}
	c.proxied = false // it is done with
	if client != nil {
		c.mu.Lock()
		c.remote = client
		c.mu.Unlock()
	}
	return p.admit(c, p.state.Load(), c.ClientAddr())
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
