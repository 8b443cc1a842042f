package chat_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// Where the kernel refuses to tell of a connection, it gets a goroutine and stays.
func TestAConnectionThatCannotBeParked(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls %t", secure), func(t *testing.T) {
			w := start(t, nil)
			w.chat.BreakPoller()
			serve := httptest.NewServer
			if secure {
				serve = httptest.NewTLSServer
			}
			srv := serve(w.chat)
			t.Cleanup(srv.Close)
			c, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(6 * late))
			if secure {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			if _, err := io.WriteString(c, upgrade); err != nil {
				t.Fatal(err)
			}
			var got []byte
			for buf := make([]byte, 512); !bytes.HasSuffix(got, []byte("\r\n\r\n")); {
				n, err := c.Read(buf)
				if got = append(got, buf[:n]...); err != nil {
					t.Fatalf("%v after %q", err, got)
				}
			}
			for range 3 {
				if _, err := c.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
					t.Fatal(err)
				}
				pong := make([]byte, 2)
				if _, err := io.ReadFull(c, pong); err != nil || pong[0] != 0x8a {
					t.Fatalf("the ping was answered with %x, %v", pong, err)
				}
			}
		})
	}
}
