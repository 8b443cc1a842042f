package postgres

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A server that did not answer is tried shortly until it does; one that refuses
// costs nothing and changes nothing.
func TestDialingSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dialer()
		d.dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
			switch addr {
			case "silent":
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Err: timeout{}}
			case "refuses":
				return nil, errors.New("connection refused")
			case "breaks":
				return broken{}, nil
			}
			return nil, nil
		}
		took := func(addr string) time.Duration {
			ctx, cancel := context.WithTimeout(t.Context(), connectTime)
			defer cancel()
			begun := time.Now()
			_, _ = d.DialContext(ctx, "tcp", addr)
			return time.Since(begun)
		}
		for i, want := range []time.Duration{connectTime, shortTime, shortTime} {
			if got := took("silent"); got != want {
				t.Errorf("try %d took %v, want %v", i, got, want)
			}
		}
		time.Sleep(silentFor)
		if got := took("silent"); got != connectTime {
			t.Errorf("a while later a try took %v", got)
		}
		if got := took("refuses") + took("answers"); got != 0 || len(d.silent) != 1 {
			t.Errorf("others took %v; silent are %v", got, d.silent)
		}
		c, err := d.DialContext(t.Context(), "tcp", "breaks")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(nil); !errors.Is(err, syscall.ETIMEDOUT) || len(d.silent) != 2 {
			t.Errorf("%v; after a connection fell silent, silent are %v", err, d.silent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _ = d.DialContext(ctx, "tcp", "other"); len(d.silent) != 2 {
			t.Error("who gives up makes others give up")
		}
	})
}

type broken struct{ net.Conn }

func (broken) Read([]byte) (int, error) { return 0, &net.OpError{Op: "read", Err: syscall.ETIMEDOUT} }

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
