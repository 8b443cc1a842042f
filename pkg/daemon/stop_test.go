package daemon_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Clients that ask again at once whenever a poll ends, as they do while the
// daemon stops, hold it up for no longer than others.
func TestStopDoesNotWaitForPolls(t *testing.T) {
	r := newRig(t)
	r.apply(r.config(time.Minute, spec{"replaced", "a", "a1", ""}))
	addr := r.addr("a")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var polling sync.WaitGroup
	defer polling.Wait()
	defer cancel()
	for range 4 {
		c := client(t)
		polling.Go(func() {
			for ctx.Err() == nil {
				res, err := c.Get("http://" + addr + "/poll")
				if err != nil {
					return // it is gone
				}
				_ = res.Body.Close()
			}
		})
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, n := r.Busy(); n == 4 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody polls")
		}
	}
	begun := time.Now()
	if err := r.Stop(context.Background()); err != nil {
		t.Errorf("something had to be cut: %v", err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Raw connections that go on for ever are cut when the drain time is over, and
// not later: new clients would wait for them.
func TestStopCutsRawConnectionsInTime(t *testing.T) {
	took := cutRaw(t)
	for range 20 { // on a busy machine everything takes longer
		if took > 1200*time.Millisecond {
			took = cutRaw(t)
		}
	}
	if took > 1200*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// cutRaw is how long a stop takes for which a raw connection has to be cut.
func cutRaw(t *testing.T) time.Duration {
	t.Helper()
	r := newRig(t)
	r.apply(r.config(200*time.Millisecond, spec{"replaced", "a", "a1", ""}))
	c, err := net.Dial("tcp", r.addr("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("SSH-2.0-x\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err != nil { // the service has it
		t.Fatal(err)
	}
	begun := time.Now()
	if err := r.Stop(context.Background()); err == nil {
		t.Error("nothing was cut")
	}
	return time.Since(begun)
}

// Who came during a stop is answered, though nobody accepts any more when he is.
func TestStopFinishesWhatCameLast(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(time.Minute, spec{"replaced", "a", "a1", ""}))
	addr := r.addr("a")
	old, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if _, err := old.Write([]byte("SSH-2.0-x\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = old.SetReadDeadline(time.Now().Add(patience))
	if _, err := old.Read(make([]byte, 1)); err != nil { // the service has it
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	await("an answer is not the last of its connection", func() bool {
		res, err := c.Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.Close
	})
	got := make(chan error, 1)
	go func() {
		res, err := c.Get("http://" + addr + "/hold")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		got <- err
	}()
	<-r.fakes.entered
	_ = old.Close() // what the stop waits for
	await("it goes on accepting", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	close(r.fakes.hold)
	if err := <-got; err != nil {
		t.Errorf("who came last: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("something was cut: %v", err)
	}
}
