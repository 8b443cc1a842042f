package chat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// A frame is one frame as it lies on the wire.
type frame struct {
	fin     bool
	rsv     byte // the three reserved bits: 4, 2, 1
	op      byte
	bare    bool // not masked
	payload []byte
	// length, where it is not 0, is announced in place of the payload's own, in
	// 64 bits.
	length uint64
}

func text(s string) frame   { return frame{fin: true, op: opText, payload: []byte(s)} }
func binaryOf(n int) frame  { return frame{fin: true, op: opBinary, payload: make([]byte, n)} }
func ping(s string) frame   { return frame{fin: true, op: opPing, payload: []byte(s)} }
func begin(s string) frame  { return frame{op: opText, payload: []byte(s)} }
func middle(s string) frame { return frame{op: opContinuation, payload: []byte(s)} }
func last(s string) frame   { return frame{fin: true, op: opContinuation, payload: []byte(s)} }

func closing(code int, reason string) frame {
	return frame{fin: true, op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)}
}

// append writes the frame, masked as a client must.
func (f frame) append(b []byte) []byte {
	head := f.rsv<<4 | f.op
	if f.fin {
		head |= 0x80
	}
	mask := byte(0x80)
	if f.bare {
		mask = 0
	}
	b = append(b, head)
	switch n := len(f.payload); {
	case f.length != 0:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), f.length)
	case n > 0xffff:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = append(b, mask|byte(n))
	}
	if f.bare {
		return append(b, f.payload...)
	}
	key := [4]byte{0x5a, 0x01, 0xc3, 0x7e}
	b = append(b, key[:]...)
	for i, c := range f.payload {
		b = append(b, c^key[i%4])
	}
	return b
}

// A wire is a WebSocket without a library: it sends whatever it is told to, and
// checks what a server may send.
type wire struct {
	conn net.Conn
	br   *bufio.Reader
}

// key and accept are the example of RFC 6455, section 1.3.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// open makes the handshake. header replaces and, with nil, removes lines.
func open(addr, path string, header http.Header) (*wire, *http.Response, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	h := http.Header{
		"Host": {addr}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key},
	}
	method, proto := "GET", "HTTP/1.1"
	for k, v := range header {
		switch {
		case k == ":method":
			method = v[0]
		case k == ":proto":
			proto = v[0]
		case v == nil:
			delete(h, k)
		default:
			h[k] = v
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", method, path, proto)
	_ = h.Write(&b)
	b.WriteString("\r\n")
	if _, err := conn.Write(b.Bytes()); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	w := &wire{conn: conn, br: bufio.NewReader(conn)}
	res, err := http.ReadResponse(w.br, nil)
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("read the answer to the handshake: %w", err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, res, nil
	}
	switch {
	case res.Header.Get("Sec-Websocket-Accept") != accept && h.Get("Sec-Websocket-Key") == key:
		err = fmt.Errorf("Sec-WebSocket-Accept is %q", res.Header.Get("Sec-Websocket-Accept"))
	case !strings.EqualFold(res.Header.Get("Upgrade"), "websocket"), !strings.EqualFold(res.Header.Get("Connection"), "upgrade"):
		err = fmt.Errorf("answered with %v", res.Header)
	}
	return w, res, err
}

// write sends frames in one packet.
func (w *wire) write(frames ...frame) error {
	var b []byte
	for _, f := range frames {
		b = f.append(b)
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.conn.Write(b)
	return err
}

// read returns the next frame, which must be one that a server may send.
func (w *wire) read(wait time.Duration) (frame, error) {
	_ = w.conn.SetReadDeadline(time.Now().Add(wait))
	var head [2]byte
	if _, err := io.ReadFull(w.br, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{fin: head[0]&0x80 != 0, rsv: head[0] >> 4 & 7, op: head[0] & 15, bare: head[1]&0x80 == 0}
	n := uint64(head[1] & 0x7f)
	var more [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(w.br, more[:2]); err != nil {
			return f, err
		}
		n = uint64(binary.BigEndian.Uint16(more[:2]))
	case 127:
		if _, err := io.ReadFull(w.br, more[:]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(more[:])
	}
	switch {
	case !f.bare:
		return f, errors.New("the server masks (RFC 6455, section 5.1)")
	case f.rsv != 0:
		return f, errors.New("the server sets reserved bits without an extension")
	case f.op >= opClose && (n > 125 || !f.fin):
		return f, errors.New("a control frame of the server is fragmented or too long")
	case n > 16<<20:
		return f, fmt.Errorf("the server announces %d bytes", n)
	}
	f.payload = make([]byte, n)
	_, err := io.ReadFull(w.br, f.payload)
	return f, err
}

// message returns the next text message, of lines; pings are answered. A close
// frame is an error.
func (w *wire) message(wait time.Duration) ([]byte, error) {
	var whole []byte
	for {
		f, err := w.read(wait)
		if err != nil {
			return nil, err
		}
		switch f.op {
		case opPing:
			if err := w.write(frame{fin: true, op: opPong, payload: f.payload}); err != nil {
				return nil, err
			}
		case opPong:
		case opClose:
			return nil, closedWith(f)
		default:
			if whole = append(whole, f.payload...); f.fin {
				return whole, nil
			}
		}
	}
}

// A closeError is a close frame that came; its value is the code, 1005 where it
// has none.
type closeError int

func (c closeError) Error() string { return fmt.Sprintf("closed with %d", int(c)) }

func closedWith(f frame) closeError {
	if len(f.payload) < 2 {
		return 1005
	}
	return closeError(binary.BigEndian.Uint16(f.payload))
}
