package nodes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// requestTime is how long a client waits for an answer before it asks the next node.
const requestTime = 10 * time.Second

var client = &http.Client{Timeout: requestTime, Transport: &http.Transport{
	DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, MaxIdleConnsPerHost: 20,
}}

// A refusal is an answer of 400 or above.
type refusal struct {
	what      string
	status    int
	temporary bool // it says that it will pass
}

func (r *refusal) Error() string { return r.what }

// statusOf is that of a refusal; else 0.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// A body is what a request has.
type body struct {
	typ   string
	bytes []byte
}

func jsonBody(v any) body {
	b, _ := json.Marshal(v) // of strings
	return body{"application/json", b}
}

// ask makes one request. Any answer of 400 or above is a refusal.
func ask(method, url, token string, b body, headers ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(b.bytes))
	if err != nil {
		return nil, nil, err
	}
	if b.typ != "" {
		req.Header.Set("Content-Type", b.typ)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 {
		err = &refusal{fmt.Sprintf("%s %s: %s %.200s", method, url, res.Status, got), res.StatusCode,
			res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""}
	}
	return res, got, err
}

// call makes a request with JSON both ways.
func call(method, url, token string, in, into any) error {
	var b body
	if in != nil {
		b = jsonBody(in)
	}
	_, got, err := ask(method, url, token, b)
	if err == nil && into != nil {
		err = json.Unmarshal(got, into)
	}
	return err
}

// A walker is a client that goes from node to node until one answers.
type walker struct {
	c       *cluster
	at      atomic.Int64
	refused atomic.Int64 // answers that said that it will pass
	late    atomic.Int64 // requests without an answer within requestTime
	cut     atomic.Int64 // requests whose connection broke before there was an answer

	mu  sync.Mutex
	why []string // the first few of cut; guarded by mu
}

// insist asks until there is an answer that is not said to be temporary. ask has
// the node to ask.
func (w *walker) insist(ask func(n *node) error) error {
	for end := time.Now().Add(wait.Patience); ; {
		err := ask(w.c.nodes[w.at.Load()%nodeCount])
		var r *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &r) && !r.temporary, time.Now().After(end):
			return err
		case r != nil:
			w.refused.Add(1)
		case isLate(err):
			w.late.Add(1)
		case !refusedToConnect(err):
			w.noteCut(err)
		}
		w.at.Add(1)
		time.Sleep(100 * time.Millisecond)
	}
}

func isLate(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func (w *walker) noteCut(err error) {
	w.cut.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.why) < 5 {
		w.why = append(w.why, time.Now().Format("15:04:05.000 ")+err.Error())
	}
}

// cuts tells of the requests that were cut since it was called last.
func (w *walker) cuts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.why
	w.why = nil
	return list
}

// refusedToConnect says that the request was not begun.
func refusedToConnect(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// A ledger is what was acknowledged, and how to see that it is there.
type ledger struct {
	mu     sync.Mutex // guards the rest
	kept   []kept
	faults []string // broken promises, the first few
}

// kept is something that was acknowledged.
type kept struct {
	name string
	look func(n *node) error
}

func (l *ledger) keep(name string, look func(n *node) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, kept{name, look})
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kept)
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < 10 {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}
