package options_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

const checked = `
variable "good" {}
variable "asked" {}
variable "slow" {}
variable "fall" {}
variable "rise" {}
service "proxy" "asked" {
  upstreams = ["http://${var.asked}", "http://${var.good}"]
  health {
    path     = "/hz"
    host     = "health.test"
    status   = [204]
    interval = "50ms"
  }
}
service "proxy" "slow" {
  upstreams = ["http://${var.slow}"]
  health { timeout = "200ms" }
}
service "proxy" "fall" {
  upstreams = ["http://${var.fall}"]
  health {
    interval = "20ms"
    fall     = 5
  }
}
service "proxy" "rise" {
  upstreams = ["http://${var.rise}"]
  health {
    interval = "20ms"
    fall     = 1
    rise     = 4
  }
}
`

// option: proxy.health.path proxy.health.host proxy.health.status proxy.health.interval proxy.health.timeout
// option: proxy.health.rise proxy.health.fall
func TestProxyHealth(t *testing.T) {
	t.Parallel()
	askedFor := make(chan string, 1000)
	asks := backend(t, func(_ http.ResponseWriter, r *http.Request) { // with 200, which is not good here
		select {
		case askedFor <- r.Host + r.URL.Path:
		default:
		}
	})
	gave := make(chan time.Duration, 10)
	slow := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		<-r.Context().Done()
		select {
		case gave <- time.Since(begin):
		default:
		}
	})
	fall, falls := inTurn(t, 4, false)
	rise, rises := inTurn(t, 3, true)
	good := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	d := start(t, checked+port("proxy", "asked", "slow", "fall", "rise"), "good", good, "asked", asks, "slow", slow, "fall", fall, "rise", rise)

	begin := time.Now()
	for range 5 {
		if got := receive(t, askedFor); got != "health.test/hz" {
			t.Errorf("asked for %s", got)
		}
	}
	if took := time.Since(begin); took > 15*time.Second { // four of the default are 20s
		t.Errorf("five checks in %v", took)
	}
	took := receive(t, gave)
	for range 3 { // on a busy machine everything takes longer
		if took > 1900*time.Millisecond {
			took = receive(t, gave)
		}
	}
	if took > 1900*time.Millisecond { // the default is 2s
		t.Errorf("a check may take %v", took)
	}
	up := func(name string) bool {
		return d.Metric(`portico_proxy_upstreams_up{service="proxy.`+name+`"}`) == 1
	}
	d.Eventually("200 is not among the good answers", func() bool { return up("asked") })
	get(t, d.URL("asked")).is(t, http.StatusNoContent, "")

	d.Eventually("enough checks", func() bool { return falls.Load() > 12 && rises.Load() > 12 })
	if !up("fall") {
		t.Error("it is down after four bad checks in a row")
	}
	if up("rise") {
		t.Error("it is up after three good checks in a row")
	}
}

// inTurn is a server whose answers are of one kind n times, and of the other one
// once, over and over. It counts them.
func inTurn(t *testing.T, n int32, good bool) (addr string, count *atomic.Int32) {
	t.Helper()
	count = new(atomic.Int32)
	return backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if last := count.Add(1)%(n+1) == 0; last == good {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), count
}
