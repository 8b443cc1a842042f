package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const wrkOutput = `Running 1s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.16ms    1.90ms  29.47ms   92.52%%
    Req/Sec    52.64k     8.13k   64.90k    70.00%%
  Latency Distribution
     50%%  420.00us
     75%%    1.14ms
     90%%    2.83ms
     99%%    1.50s
  52392 requests in 1.00s, 60.16MB read
%sRequests/sec:  52300.50
Transfer/sec:     60.06MB
`

func TestReadWrk(t *testing.T) {
	s, err := readWrk("u", fmt.Sprintf(wrkOutput, ""), 0.52392)
	if err != nil || s.rate != 52300.5 || s.p50 != 0.42 || s.p99 != 1500 || s.cpu < 9.9e-6 || s.cpu > 10.1e-6 || s.broken != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = readWrk("u", fmt.Sprintf(wrkOutput, "  Socket errors: connect 1, read 2, write 3, timeout 4\n"), 0)
	if err != nil || s.broken != 6 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "unable to connect", fmt.Sprintf(wrkOutput, "  Non-2xx or 3xx responses: 5\n")} {
		if _, err := readWrk("u", bad, 0); err == nil {
			t.Errorf("no error of %q", bad)
		}
	}
}

// In turn, every other round the other way; a portico that breaks connections is
// an error, a peer that does is told of.
func TestCompete(t *testing.T) {
	var order []string
	run := func(name string, rate, broken float64) runner {
		return runner{name: name, measure: func(context.Context, time.Duration) (sample, error) {
			order = append(order, name)
			return sample{rate: rate, cpu: 1 / rate, broken: broken}, nil
		}}
	}
	b := &bench{rounds: 3, each: time.Second}
	own := run("own", 200, 0)
	own.portico, own.peer = &portico{}, "peer"
	c, err := b.compete(t.Context(), "row", []runner{run("peer", 100, 7), own})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "peer own own peer peer own" {
		t.Errorf("the order was %s", got)
	}
	if got := c.rates("own").beside(c.rates("peer")).String(); got != "2.00 (2.00 – 2.00)" {
		t.Errorf("own beside peer: %s", got)
	}
	text := c.table("answers", "peer").String()
	for _, want := range []string{"up to 7 connections broke", "| **own** | 200 (200 – 200) | 2.00 (2.00 – 2.00) |", "0.50 (0.50 – 0.50) x peer"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	own.measure = run("own", 200, 1).measure
	if _, err := b.compete(t.Context(), "row", []runner{own}); err == nil || !strings.Contains(err.Error(), "own broke 1 connections") {
		t.Errorf("broken connections: %v", err)
	}
}

// What was started is ended, with what it started itself.
func TestStopEndsTheFamily(t *testing.T) {
	s, err := launch(t.Context(), nil, "sh", "-c", "sleep 600 & echo $!; wait")
	if err != nil {
		t.Fatal(err)
	}
	child := 0
	for deadline := time.Now().Add(time.Minute); child == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_, _ = fmt.Sscan(s.log.String(), &child)
	}
	s.stop()
	s.stop() // harmless
	if child == 0 {
		t.Fatalf("no child: %s", s.log)
	}
	gone := func() bool { // or dead, where nobody buries it
		return syscall.Kill(child, 0) != nil || strings.HasPrefix(strings.Join(statFields(fmt.Sprintf("/proc/%d/stat", child)), " "), "Z")
	}
	for deadline := time.Now().Add(time.Minute); !gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child is still there")
		}
	}
}

func TestAskers(t *testing.T) {
	var requests atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(answer))
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	if took, err := oneAnswer(addr); err != nil || took <= 0 {
		t.Errorf("%s, %v", took, err)
	}
	c := pacedClient{addr: addr}
	times, failed := c.run(t.Context(), time.Now(), 50*time.Millisecond)
	c.close()
	if failed != 0 || len(times) != 5 {
		t.Errorf("%d answers, %d failed, want 5 and none", len(times), failed)
	}
	conn, err := asked(dialPlain, addr)(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if ms, err := untilAnswer(t.Context(), addr, answer, time.Now()); err != nil || ms <= 0 {
		t.Errorf("%f, %v", ms, err)
	}
	if n, err := swallow(t.Context(), srv.URL); err != nil || n != 1024 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n := requests.Load(); n != 9 {
		t.Errorf("%d requests, want 9", n)
	}
}

func TestWaves(t *testing.T) {
	all := idlers(8000)
	got := waves(all, 19_000)
	n := 0
	for _, wave := range got {
		sum := 0
		for _, i := range wave {
			sum += i.all()
			n++
		}
		if sum > 19_000 {
			t.Errorf("a wave of %d", sum)
		}
	}
	if n != len(all) {
		t.Errorf("%d of %d", n, len(all))
	}
	if got := waves(idlers(1000), 19_000); len(got) != 1 {
		t.Errorf("%d waves for few connections", len(got))
	}
}

func TestSSIM(t *testing.T) {
	p := plane{make([]float64, 64*48), 64, 48}
	for i := range p.v {
		p.v[i] = float64((i*7 + i/64*13) % 251)
	}
	if s := ssim(p, p); s < 0.9999 {
		t.Errorf("a picture is %f like itself", s)
	}
	small := p.shrink(32, 24)
	if small.w != 32 || small.h != 24 || len(small.v) != 32*24 {
		t.Fatalf("%d x %d", small.w, small.h)
	}
	flat := plane{bytes2floats(bytes.Repeat([]byte{77}, 64*48)), 64, 48}
	for _, v := range flat.shrink(20, 15).v {
		if v < 76.999 || v > 77.001 {
			t.Fatalf("a flat picture shrank to %f", v)
		}
	}
	if s := ssim(p, flat); s > 0.1 {
		t.Errorf("noise is %f like grey", s)
	}
}

func bytes2floats(b []byte) (out []float64) {
	for _, v := range b {
		out = append(out, float64(v))
	}
	return out
}

func TestComment(t *testing.T) {
	got := withComment([]byte{0xff, 0xd8, 0xff, 0xdb}, "abc")
	if want := []byte{0xff, 0xd8, 0xff, 0xfe, 0, 5, 'a', 'b', 'c', 0xff, 0xdb}; !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestDialects(t *testing.T) {
	frame := func(text string) []byte { return append([]byte{0x81, byte(len(text))}, text...) }
	two := append(frame(`{"type":"message","text":"@5@"}`), frame(`{"type":"message","text":"@7@"}`)...)
	for cut := range len(two) + 1 {
		if n := wholeFrames(two[:cut]); n != 0 && n != 33 && n != 66 || n > cut {
			t.Errorf("%d of %d bytes are whole", n, cut)
		}
	}
	c, err := newCrowd(webSocket, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.timing.Store(true)
	c.heard(two, time.Unix(0, 10))
	if times := c.takeTimes(); c.got.Load() != 2 || len(times) != 2 || times[0] != 3 || times[1] != 5 {
		t.Errorf("%d messages, %v", c.got.Load(), times)
	}
	message := string(stanzas("a@b", "chat", 1, time.Unix(0, 4)))
	if n := wholeStanzas([]byte(message + "<presence/>" + message[:9])); n != len(message) {
		t.Errorf("%d bytes are whole, want %d", n, len(message))
	}
	c, err = newCrowd(xmppDialect, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.timing.Store(true)
	c.heard([]byte(message), time.Unix(0, 10))
	if times := c.takeTimes(); c.got.Load() != 1 || len(times) != 1 || times[0] != 6 {
		t.Errorf("%d messages, %v", c.got.Load(), times)
	}
}

func FuzzWhole(f *testing.F) {
	f.Add([]byte{0x81, 3, 'a', 'b', 'c', 0x81})
	f.Add([]byte{0x81, 126, 0, 1, 'a'})
	f.Add([]byte{0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Add([]byte("<message><body></body></message><pre"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, whole := range []func([]byte) int{wholeFrames, wholeStanzas} {
			if n := whole(b); n < 0 || n > len(b) {
				t.Errorf("%d of %d bytes", n, len(b))
			}
		}
	})
}
