package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// chatTimeout bounds every wait for the chat.
const chatTimeout = time.Minute

// A chatSocket is a WebSocket that costs the clients' side little: it looks for
// words in what comes and decodes nothing.
type chatSocket struct {
	conn net.Conn
	br   *bufio.Reader
	buf  []byte
}

// dial connects as a person and waits until it is live.
func (c *chatBench) dial(person int) (*chatSocket, error) {
	conn, err := net.DialTimeout("tcp", c.addr, chatTimeout)
	if err != nil {
		return nil, err
	}
	return c.enter(conn, person)
}

// dialTLS is the same by TLS.
func (c *chatBench) dialTLS(person int) (*chatSocket, error) {
	conn, err := dialTLS(c.secure)
	if err != nil {
		return nil, err
	}
	return c.enter(conn, person)
}

// dialTLS trusts whoever answers: it is a server of this run.
func dialTLS(addr string) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: chatTimeout}, "tcp", addr, &tls.Config{InsecureSkipVerify: true})
}

func (c *chatBench) enter(conn net.Conn, person int) (*chatSocket, error) {
	s := &chatSocket{conn: conn, br: bufio.NewReaderSize(conn, 4096)}
	if err := s.hello(c.addr, c.tokens[person]); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *chatSocket) hello(addr, token string) error {
	_, err := fmt.Fprintf(s.conn, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	if err != nil {
		return err
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(chatTimeout))
	res, err := http.ReadResponse(s.br, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the handshake was answered with %s", res.Status)
	}
	if err := s.write(fmt.Appendf(nil, `{"id":0,"connect":{"token":%q}}`, token)); err != nil {
		return err
	}
	for {
		msg, err := s.read()
		if err != nil {
			return err
		}
		if bytes.Contains(msg, []byte(`"error":{`)) {
			return fmt.Errorf("connect: %s", msg)
		}
		if bytes.Contains(msg, []byte(`"synced":{`)) {
			return nil
		}
	}
}

// write sends a text frame, masked with zeros.
func (s *chatSocket) write(text []byte) error {
	frame := make([]byte, 0, len(text)+14)
	switch n := len(text); {
	case n > 0xffff:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x81, 0x80|127), uint64(n))
	case n > 125:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x81, 0x80|126), uint16(n))
	default:
		frame = append(frame, 0x81, 0x80|byte(n))
	}
	frame = append(append(frame, 0, 0, 0, 0), text...)
	_, err := s.conn.Write(frame)
	return err
}

// read returns the next message; it is valid until the next read.
func (s *chatSocket) read() ([]byte, error) {
	var head [10]byte
	if _, err := io.ReadFull(s.br, head[:2]); err != nil {
		return nil, err
	}
	n := int(head[1] & 0x7f)
	switch n {
	case 126:
		if _, err := io.ReadFull(s.br, head[2:4]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:4]))
	case 127:
		if _, err := io.ReadFull(s.br, head[2:10]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint64(head[2:10]))
	}
	if n > 16<<20 {
		return nil, errors.New("a frame above 16 MiB")
	}
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	msg := s.buf[:n]
	if _, err := io.ReadFull(s.br, msg); err != nil {
		return nil, err
	}
	if head[0] != 0x81 {
		return nil, fmt.Errorf("the chat sent a frame of type %#x: %q", head[0], msg)
	}
	return msg, nil
}

func closeAll(sockets []*chatSocket) {
	for _, s := range sockets {
		_ = s.conn.Close()
	}
}
