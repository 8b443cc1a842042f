package chat

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// securePair is a connection over TLS 1.3 on loopback, and its client's traffic
// secret.
func securePair(t *testing.T) (server, client *tls.Conn, secret []byte) {
	t.Helper()
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	bare, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bare.Close() })
	_ = bare.SetDeadline(time.Now().Add(time.Minute))
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var keys bytes.Buffer
	server = tls.Server(accepted, &tls.Config{Certificates: certified.TLS.Certificates})
	client = tls.Client(bare, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &keys})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	if secret, err = hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:]); err != nil {
		t.Fatal(err)
	}
	return server, client, secret
}

// expand is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func expand(t *testing.T, secret []byte, label string, n int) []byte {
	t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len("tls13 "+label))), "tls13 "+label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sealed is the first record under a traffic secret (RFC 8446, section 5.2).
func sealed(t *testing.T, suite uint16, secret []byte, kind byte, content []byte) []byte {
	t.Helper()
	var aead cipher.AEAD
	var err error
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		var block cipher.Block
		if block, err = aes.NewCipher(expand(t, secret, "key", 16)); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		aead, err = chacha20poly1305.New(expand(t, secret, "key", chacha20poly1305.KeySize))
	default:
		t.Fatalf("the suite is %s", tls.CipherSuiteName(suite))
	}
	if err != nil {
		t.Fatal(err)
	}
	content = append(bytes.Clone(content), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(content)+aead.Overhead()))
	return aead.Seal(head, expand(t, secret, "iv", aead.NonceSize()), content, head)
}

// A client may ask for other keys at any time. TLS answers by itself, long after
// the deadline of the last write to it.
func TestKeysChangeLongAfterAWrite(t *testing.T) {
	c := newTestChat(t)
	c.sessions = map[*session]struct{}{}
	var err error
	if c.poller, err = newPoller(); err != nil {
		t.Fatal(err)
	}
	server, client, secret := securePair(t)
	conn := newWSConn(c, server, nil)
	conn.limit.by = 1 // the write was when the chat began
	if err := conn.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	conn.begin(nil)
	const handshake, data = 22, 23
	suite := client.ConnectionState().CipherSuite
	ask := sealed(t, suite, secret, handshake, []byte{24, 0, 0, 1, 1}) // KeyUpdate, update_requested
	next := expand(t, secret, "traffic upd", len(secret))
	ping := sealed(t, suite, next, data, []byte{0x80 | opPing, 0x80, 0, 0, 0, 0})
	if _, err := client.NetConn().Write(append(ask, ping...)); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(client, pong); err != nil || pong[0] != 0x80|opPong {
		t.Errorf("the ping was answered with %x, %v", pong, err)
	}
	_ = conn.Close()
	c.work.Wait()
	if err := c.poller.close(); err != nil {
		t.Error(err)
	}
	c.writers.wait()
}

// Who waits for the client has a bound of his own.
func TestReadingLeavesTheBoundOfAWrite(t *testing.T) {
	c := newTestChat(t)
	mine, other := net.Pipe()
	defer other.Close()
	conn := &wsConn{Conn: mine}
	conn.cmd.s = newSession(c, conn)
	if err := conn.unlimited(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.limitReads(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{0}); err == nil {
		t.Error("reading gave it more time")
	}
}
