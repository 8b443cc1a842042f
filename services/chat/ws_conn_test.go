package chat

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// Bytes that drip in are no sign of life: only a message is.
func TestDrippingIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestChat(t)
		mine, other := net.Pipe()
		defer other.Close()
		conn := newWSConn(c, mine, nil)
		s := conn.cmd.s
		s.user, s.connected, s.done = store.Person{ID: 1, Username: "alice"}, true, make(chan struct{})
		c.hub.join(s, 20)
		c.hub.hold(s)
		s.release()
		c.wheel.add(s, time.Second)
		conn.begin(masked(finBit|opText, "{}"))
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for i, b := range masked(finBit|opText, string(make([]byte, 120))) {
				if _, err := other.Write([]byte{b}); err != nil {
					return
				}
				if i > 1 { // the head at once
					time.Sleep(time.Second)
				}
			}
		})
		begun := time.Now()
		all, err := io.ReadAll(other)
		if want := appendClose(nil, closeNoPong, "no answer to a ping"); err != nil || !bytes.HasSuffix(all, want) {
			t.Errorf("%q, %v", all, err)
		}
		if d := time.Since(begun); d > 40*time.Second {
			t.Errorf("it took %v", d)
		}
		<-s.done
		c.work.Wait()
		dripping.Wait()
	})
}
