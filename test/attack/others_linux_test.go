package attack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// latencies are how long requests took.
type latencies struct {
	took   []time.Duration
	failed int
	err    error // the first
}

// at is the latency that a part of all requests did not exceed.
func (l latencies) at(part float64) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	return l.took[min(int(part*float64(len(l.took))), len(l.took)-1)]
}

func (l latencies) String() string {
	return fmt.Sprintf("%d requests, %d failed, p50 %s, p99 %s, longest %s", len(l.took), l.failed, millis(l.at(.5)), millis(l.at(.99)), millis(l.at(1)))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// others are people who make requests as they always do: half of them over a
// connection each time, on every listener that is attacked.
type others struct {
	over atomic.Bool
	all  sync.WaitGroup

	mu  sync.Mutex
	got latencies // guarded by mu
}

// otherPace is how long each of them rests between two requests.
const otherPace = 20 * time.Millisecond

func (a *attack) everybodyElse() *others {
	o := &others{}
	for i, listener := range []string{"open", "open", "open", "guarded"} {
		addr, as := a.d.Addr(listener), fmt.Sprintf("203.0.113.%d", i+1)
		o.each(func() error { return visitOnce(addr, as, i) })
		k := &regular{addr: addr, as: as, i: i}
		o.each(k.request)
	}
	return o
}

func (o *others) each(request func() error) {
	o.all.Go(func() {
		for !o.over.Load() {
			begun := time.Now()
			err := request()
			o.note(time.Since(begun), err)
			time.Sleep(otherPace)
		}
	})
}

func (o *others) note(took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got.took = append(o.got.took, took)
	if err != nil {
		if o.got.failed++; o.got.err == nil {
			o.got.err = err
		}
	}
}

// count is how many requests they have made.
func (o *others) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.got.took)
}

// end ends them and returns what they saw.
func (o *others) end() latencies {
	o.over.Store(true)
	o.all.Wait()
	slices.Sort(o.got.took)
	return o.got
}

func arrive(addr, as string, i int) (net.Conn, error) {
	c, err := dial(context.Background(), addr, i)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(c, "PROXY TCP4 %s 192.0.2.1 4321 80\r\n", as)
	return c, err
}

func visitOnce(addr, as string, i int) error {
	c, err := arrive(addr, as, i)
	if err != nil {
		return err
	}
	defer c.Close()
	return ask(c, bufio.NewReader(c))
}

// A regular keeps his connection.
type regular struct {
	addr, as string
	i        int
	c        net.Conn
	r        *bufio.Reader
}

func (k *regular) request() (err error) {
	if k.c == nil {
		if k.c, err = arrive(k.addr, k.as, k.i); err != nil {
			return err
		}
		k.r = bufio.NewReader(k.c)
	}
	_ = k.c.SetDeadline(time.Now().Add(patience))
	if err = ask(k.c, k.r); err != nil {
		_ = k.c.Close()
		k.c = nil
	}
	return err
}

func ask(c net.Conn, r *bufio.Reader) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != "hello") {
		err = fmt.Errorf("answered %s %q", res.Status, body)
	}
	return err
}

// table has a row for each attack.
func (a *attack) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nEach attack lasted %v or longer, on one machine with its clients, %d cores, beside a load of %s of other programs. Slow clients are borne for %v (`header`, `read`, `write`, with `min_rate = \"1KiB\"`), and come back when they are ended.\n\n", a.size.phase, runtime.NumCPU(), a.load, a.size.limit)
	b.WriteString("| strangers | connections held | portico's memory, MiB | of each, KiB | buffers of TCP, MiB | processors that it took | others: requests | failed | p50 | p99 | longest | strangers' connections that ended |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range a.found {
		each := "–"
		if f.alone && f.held > 0 {
			each = fmt.Sprintf("%.1f", f.each()/(1<<10))
		}
		var ends []string
		for _, how := range slices.Sorted(maps.Keys(f.ended)) {
			ends = append(ends, fmt.Sprintf("%d: %s", f.ended[how], how))
		}
		if len(ends) == 0 {
			ends = []string{"–"}
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %s | %d | %.2f | %d | %d | %s | %s | %s | %s |\n", f.name, f.held, float64(f.memory)/(1<<20), each, f.kernel>>20, f.cpu,
			len(f.others.took), f.others.failed, millis(f.others.at(.5)), millis(f.others.at(.99)), millis(f.others.at(1)), strings.Join(ends, "; "))
	}
	return b.String() + "\n"
}
