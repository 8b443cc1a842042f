package chat

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Limits of users and addresses hold over all nodes: each tells the others what it
// counts. What the bus loses is counted by one node only, and so is everything where
// there is none.

const (
	tellCounts = time.Second // how often
	maxCounted = 1000        // users or addresses of one kind that the others are told of each time
	maxHeard   = 100         // tries of an address that are counted of one message
)

// countsMessage is what nodes tell one another.
type countsMessage struct {
	Logins  []strangerCount `json:"logins,omitempty"`
	SignUps []strangerCount `json:"sign_ups,omitempty"`
	Exports []userCount     `json:"exports,omitempty"`
	Sends   []userCount     `json:"sends,omitempty"`
	Calls   []userCount     `json:"calls,omitempty"`
}

type userCount struct {
	User int64 `json:"user"`
	N    int   `json:"n"`
}

type strangerCount struct {
	Name string       `json:"name,omitempty"`
	From netip.Prefix `json:"from"`
	N    int          `json:"n"`
}

func (m *countsMessage) empty() bool {
	return len(m.Logins)+len(m.SignUps)+len(m.Exports)+len(m.Sends)+len(m.Calls) == 0
}

// shareCounts has what counts kept for the other nodes. It is called before anything
// is counted.
func (c *Chat) shareCounts() {
	c.sends.told, c.calls.told = ratelimit.NewTally[int64](maxCounted), ratelimit.NewTally[int64](maxCounted)
	c.toldExports = ratelimit.NewTally[int64](maxCounted)
	c.strangers.logins.told = ratelimit.NewTally[strangerKey](maxCounted)
	c.strangers.signUps.told = ratelimit.NewTally[strangerKey](maxCounted)
}

// followCounts is the goroutine that tells other nodes what was counted here, and
// counts what they tell.
func (c *Chat) followCounts(ctx context.Context) {
	topic := c.topic("counts")
	defer c.wire.Subscribe(topic, c.hearCounts)()
	tick := time.NewTicker(tellCounts)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		m := countsMessage{
			Logins: strangerCounts(c.strangers.logins.told.Take()), SignUps: strangerCounts(c.strangers.signUps.told.Take()),
			Exports: userCounts(c.toldExports.Take()), Sends: userCounts(c.sends.told.Take()), Calls: userCounts(c.calls.told.Take()),
		}
		if m.empty() || !c.wire.Others() {
			continue
		}
		if b, err := json.Marshal(m); err == nil { // it always can
			c.wire.Publish(topic, b)
		}
	}
}

func userCounts(counts map[int64]int) (list []userCount) {
	for user, n := range counts {
		list = append(list, userCount{user, n})
	}
	return list
}

func strangerCounts(counts map[strangerKey]int) (list []strangerCount) {
	for key, n := range counts {
		list = append(list, strangerCount{key.name, key.from, n})
	}
	return list
}

// hearCounts counts what other nodes have counted, at the time at which it hears of
// it.
func (c *Chat) hearCounts(batch [][]byte) {
	for _, data := range batch {
		var m countsMessage
		if json.Unmarshal(data, &m) != nil {
			continue // of a program that says it otherwise
		}
		c.strangers.logins.hear(m.Logins)
		c.strangers.signUps.hear(m.SignUps)
		for _, of := range m.Exports {
			c.exports.Spend(of.User, max(of.N, 0), time.Now())
		}
		for _, of := range m.Sends {
			c.sends.spend(of.User, of.N)
		}
		for _, of := range m.Calls {
			c.calls.spend(of.User, of.N)
		}
	}
}

func (l *strangerLimit) hear(list []strangerCount) {
	for _, of := range list {
		for range min(of.N, maxHeard) {
			l.Count(strangerKey{of.Name, of.From})
		}
	}
}
