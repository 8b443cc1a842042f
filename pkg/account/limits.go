package account

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Limits bound what strangers may do. 0 stands for the default. They hold for the
// life of the process: a restart begins to count anew, and knows of other nodes what
// they count from then on.
type Limits struct {
	FailedSignIns int // per username and address in 10 minutes; default 10
	SignUps       int // per address and hour; default 20
	AppsFrom      int // registrations of OAuth apps per address and hour; default 60
	Apps          int // OAuth apps of one service; default 10000
}

const (
	triesTime  = 10 * time.Minute
	signUpTime = time.Hour
	appTime    = time.Hour
)

func (l Limits) orDefaults() Limits {
	return Limits{
		FailedSignIns: cmp.Or(max(l.FailedSignIns, 0), 10),
		SignUps:       cmp.Or(max(l.SignUps, 0), 20),
		AppsFrom:      cmp.Or(max(l.AppsFrom, 0), 60),
		Apps:          cmp.Or(max(l.Apps, 0), 10_000),
	}
}

func (d *Directory) limits() Limits {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opt.Limits
}

func (d *Directory) logger() *zerolog.Logger {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.opt.Log
	return &l
}

// take counts something that is limited per address, before the work is done, so
// that tries at the same time cannot get past the limit. What fails is given back.
func (d *Directory) take(w *ratelimit.Window[netip.Prefix], from netip.Addr) (giveBack func(), _ error) {
	if !from.IsValid() || from.Unmap().IsLoopback() {
		return func() {}, nil
	}
	p := ratelimit.Prefix(from)
	if wait := w.Take(p); wait > 0 {
		return nil, &RetryError{ErrTooManyTries, wait}
	}
	return func() { w.Forget(p) }, nil
}

// counted is what a node tells the others that it has counted. They count it too,
// at the time at which they hear of it.
type counted struct {
	What     string       `json:"what"`
	Username string       `json:"username,omitempty"`
	From     netip.Prefix `json:"from"`
}

// What is counted.
const (
	failedSignIn = "sign-in"
	signUp       = "sign-up"
	appFrom      = "app"
)

// tell tells other nodes what counts here. Loopback peers and the zero Addr are not
// limited by address.
func (d *Directory) tell(s Store, c counted) {
	carrier, ok := s.(Carrier)
	if !ok || c.What != failedSignIn && (!c.From.IsValid() || c.From.Addr().IsLoopback()) {
		return
	}
	if data, err := json.Marshal(c); err == nil { // it cannot fail
		carrier.Tell(data)
	}
}

// heard counts what another node told.
func (d *Directory) heard(data []byte) {
	var c counted
	if err := json.Unmarshal(data, &c); err != nil {
		return // of a program that says it otherwise
	}
	switch c.What {
	case failedSignIn:
		d.tries.Count(try{cut(c.Username, 2*MaxUsername), c.From})
	case signUp:
		d.signUps.Count(c.From)
	case appFrom:
		d.appsFrom.Count(c.From)
	}
}
