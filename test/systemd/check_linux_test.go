package systemd

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// stallLimit is how much longer than it takes to start a program that does
// nothing new requests may wait for the next process, every other time. It holds
// for the long form, on a machine that has nothing else to do: the short one
// counts instead, see checkOrder.
const stallLimit = 200 * time.Millisecond

// check compares what happened with what was promised.
func check(t *testing.T, p Plan, r Report) {
	t.Helper()
	if r.Error != "" {
		t.Errorf("the container could not go on: %s", r.Error)
	}
	if e, err := strconv.ParseFloat(r.Exposure, 64); err != nil || e > 1.5 {
		t.Errorf("the unit's exposure is %q, want at most 1.5", r.Exposure)
	}
	t.Logf("%s; exposure %s; %d WebSockets, and %d over TLS; %d messages acknowledged, %d lost; %d uploads", r.System, r.Exposure, p.Users*p.Devices, p.Users*p.Secure, r.Acked, r.Lost, r.Uploads)
	if r.Error == "" && (r.Acked == 0 || r.Uploads == 0 || len(r.Phases) < 4) {
		t.Errorf("%d messages and %d uploads in %d phases: that tries nothing", r.Acked, r.Uploads, len(r.Phases))
	}
	if r.Lost+r.UploadFaults > 0 || len(r.Faults) > 0 {
		t.Errorf("%d messages lost, %d uploads not as acknowledged: %q", r.Lost, r.UploadFaults, r.Faults)
	}
	for _, ph := range r.Phases {
		logPhase(t, ph)
		checkPhase(t, ph)
		checkEnds(t, ph)
		checkOrder(t, ph)
		if p.CrowdUsers > 0 && ph.Name != crowded && len(ph.Bare) > 0 && middle(ph.Stalls)-middle(ph.Bare) > stallLimit {
			t.Errorf("%s: new requests waited for %v, p50, and %v for a program that does nothing", ph.Name, middle(ph.Stalls), middle(ph.Bare))
		}
	}
}

func logPhase(t *testing.T, ph Phase) {
	t.Helper()
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	t.Logf("%s x %d, the longest took %v", ph.Name, ph.Times, ms(ph.Took))
	t.Logf("    the longest that a new request took each time: p50 %v, max %v", ms(middle(ph.Stalls)), ms(last(ph.Stalls)))
	t.Logf("    the same of a program that does nothing: p50 %v, max %v", ms(middle(ph.Bare)), ms(last(ph.Bare)))
	t.Logf("    served while the stop waited for the slow request: %v", ph.Meanwhile)
	t.Logf("    new connections: %v", ph.Fresh)
	t.Logf("    kept connections: %v", ph.Kept)
	t.Logf("    requests in progress: %v", ph.Slow)
	t.Logf("    uploads: %v; %d posts and attachments looked at", ph.Uploads, ph.Looked)
	t.Logf("    over TLS: new connections: %v; %d handshakes of who has a session were whole; the longest each time: p50 %v, max %v",
		ph.Secure.Fresh, ph.Secure.Whole, ms(middle(ph.Secure.Stalls)), ms(last(ph.Secure.Stalls)))
	t.Logf("    over TLS: kept connections: %v; HTTP/2: %v, %d sent again", ph.Secure.Kept, ph.Secure.Shared, ph.Secure.Again)
	t.Logf("    WebSockets: %d attempts failed; %d messages", ph.Chat.Failed, ph.Chat.Acked)
	for _, k := range []struct {
		name string
		ends ChatEnds
		back []time.Duration
	}{{"plain", ph.Chat.Plain, ph.Back}, {"over TLS", ph.Chat.Secure, ph.SecureBack}} {
		t.Logf("    WebSockets, %s: %d cut, all back after p50 %v, max %v; longest until acknowledged %v", k.name, k.ends.Cut, ms(middle(k.back)), ms(last(k.back)), ms(k.ends.Longest))
	}
}

// total adds up what became of all requests.
func (ph Phase) total() (sum Tally) {
	for _, t := range []Tally{ph.Fresh, ph.Kept, ph.Slow, ph.Uploads, ph.Secure.Fresh, ph.Secure.Kept, ph.Secure.Shared} {
		sum.Requests, sum.Refused, sum.Cut, sum.Failed = sum.Requests+t.Requests, sum.Refused+t.Refused, sum.Cut+t.Cut, sum.Failed+t.Failed
		sum.Errors = append(sum.Errors, t.Errors...)
	}
	return sum
}

func checkPhase(t *testing.T, ph Phase) {
	t.Helper()
	sum := ph.total()
	if sum.Refused+sum.Failed > 0 {
		t.Errorf("%s: %d connections were refused, %d requests failed: %q", ph.Name, sum.Refused, sum.Failed, sum.Errors)
	}
	// Without a warning what is in progress is lost: at most one request of each
	// client, each time.
	inFlight := 0
	if ph.Name == killed {
		inFlight = (clients + secureClients + streams + 1 + uploaders) * ph.Times
	}
	if sum.Cut > inFlight {
		t.Errorf("%s: %d requests were cut, want at most %d: %q", ph.Name, sum.Cut, inFlight, sum.Errors)
	}
	if ph.Fresh.Requests < 50*ph.Times || ph.Kept.Requests < 50*ph.Times || ph.Slow.Requests == 0 {
		t.Errorf("%s: hardly any load: %v; %v; %v", ph.Name, ph.Fresh, ph.Kept, ph.Slow)
	}
	if s := ph.Secure; s.Fresh.Requests < 10*ph.Times || s.Kept.Requests < 10*ph.Times || s.Shared.Requests < 10*ph.Times {
		t.Errorf("%s: hardly any load over TLS: %v; %v; %v", ph.Name, s.Fresh, s.Kept, s.Shared)
	}
	if ph.Name != crowded && (ph.Uploads.Requests == 0 || ph.Looked == 0) {
		t.Errorf("%s: no uploads: %v; %d looked at", ph.Name, ph.Uploads, ph.Looked)
	}
	if ph.Stored != sockets {
		t.Errorf("%s: systemd keeps %d sockets, want %d", ph.Name, ph.Stored, sockets)
	}
}

// checkEnds looks at WebSockets and TLS sessions: the former end where the process
// does, over TLS only, told to come back; the latter outlive it.
func checkEnds(t *testing.T, ph Phase) {
	t.Helper()
	c := ph.Chat
	if ph.Name == killed {
		if c.Plain.Cut < ph.Times*ph.WebSockets {
			t.Errorf("%s: only %d of %d WebSockets were cut: who was killed?", ph.Name, c.Plain.Cut, ph.Times*ph.WebSockets)
		}
		return
	}
	if c.Plain.Cut+c.Failed > 0 {
		t.Errorf("%s: %d WebSockets were cut, %d attempts to connect failed: %q", ph.Name, c.Plain.Cut, c.Failed, c.Ends)
	}
	if ends := len(ph.Meanwhile) > 0; !ends && c.Secure.Cut > 0 || ends && c.Secure.Cut < ph.Times*ph.SecureSockets {
		t.Errorf("%s x %d: %d WebSockets over TLS were cut, there are %d: %q", ph.Name, ph.Times, c.Secure.Cut, ph.SecureSockets, c.Ends)
	}
	if c.Untold > 0 {
		t.Errorf("%s: %d WebSockets over TLS ended without close code 1012: %q", ph.Name, c.Untold, c.Ends)
	}
	if ph.Secure.Whole > 0 {
		t.Errorf("%s: %d handshakes did not resume the session of before", ph.Name, ph.Secure.Whole)
	}
}

// checkOrder says whether accepting ended last: while a stop waited for the slow
// request, new clients were served, over connections that they made after it
// began. Where accepting ends first, each of them has at most the one request that
// was accepted in between. How many they are depends on the machine; that they
// are more than that does not, so that this holds beside whatever load.
func checkOrder(t *testing.T, ph Phase) {
	t.Helper()
	for _, n := range ph.Meanwhile {
		if n <= freshClients {
			t.Errorf("%s: %v requests of %d clients over new connections were served while a slow one was in progress: the others waited for it", ph.Name, ph.Meanwhile, freshClients)
			return
		}
	}
}

// middle and last are those of a list in order of size.
func middle(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

func last(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return slices.Max(list)
}
