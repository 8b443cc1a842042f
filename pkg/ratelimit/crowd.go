package ratelimit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/bus"
)

// Of what the nodes of a Crowd tell one another.
const (
	tellCrowd  = time.Second            // how often a node says what it has, changed or not
	tellChange = 200 * time.Millisecond // between two times at least
	crowdLife  = 5 * time.Second        // without a word a node counts no more

	muchOf     = 8 // who has this part of a limit at a node has much
	maxMuch    = 2000
	maxShares  = 2 * maxMuch // of one node
	maxShare   = 1_000_000
	maxCrowd   = 64 // nodes
	maxNodeLen = 64
)

// A Crowd counts how many of something (connections, uploads) each key has at a
// time, here and at other nodes. A node tells of keys that have much there, an
// eighth of a limit, and of those that another node tells of so: who has little
// everywhere costs nothing, and with up to eight nodes a limit is kept by all
// together. It is a little less than kept by who comes to several of them within
// the time that word takes, some 0.2 s. What a node told counts until it says
// otherwise, ends, or was silent for 5 s; without other nodes only what is here
// counts. Memory is bounded, but for a counter for each key that is here: of more
// than 2000 keys that have much the others are not told. It may be used
// concurrently.
type Crowd[K comparable] struct {
	self    string
	changed chan struct{} // there is something to tell

	mu    sync.Mutex
	here  map[K]int                // guarded by mu; without zeros
	much  map[K]struct{}           // guarded by mu; those of here that had much since they came
	nodes map[string]*crowdNode[K] // guarded by mu; the others
}

// A crowdNode is another node, as it has told.
type crowdNode[K comparable] struct {
	heard time.Time
	has   map[K]share[K]
}

// A share is how many a key has at a node.
type share[K comparable] struct {
	Key  K    `json:"key"`
	N    int  `json:"n"`
	Much bool `json:"much,omitempty"` // the other nodes are to tell of it, too
}

// A crowdMessage is all that a node tells: it stands for everything it told before.
type crowdMessage[K comparable] struct {
	Node   string     `json:"node"`
	Shares []share[K] `json:"shares,omitempty"`
}

// NewCrowd makes one that has nobody. Keys become JSON where there are other nodes.
func NewCrowd[K comparable]() *Crowd[K] {
	return &Crowd[K]{
		self: rand.Text(), changed: make(chan struct{}, 1),
		here: map[K]int{}, much: map[K]struct{}{}, nodes: map[string]*crowdNode[K]{},
	}
}

// Enter counts one more of key, unless it has limit. Leave counts it off.
func (c *Crowd[K]) Enter(key K, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.here[key] + 1
	there, wanted := c.elsewhere(key, time.Now())
	if n+there > limit {
		return false
	}
	c.here[key] = n
	_, much := c.much[key]
	if !much && n >= (limit+muchOf-1)/muchOf && len(c.much) < maxMuch {
		c.much[key], much = struct{}{}, true
	}
	if much || wanted {
		c.wake()
	}
	return true
}

// Leave counts off what Enter has counted.
func (c *Crowd[K]) Leave(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, much := c.much[key]
	if c.here[key]--; c.here[key] <= 0 {
		delete(c.here, key)
		delete(c.much, key)
	}
	if _, wanted := c.elsewhere(key, time.Now()); much || wanted {
		c.wake()
	}
}

// Elsewhere is how many of key other nodes have told of.
func (c *Crowd[K]) Elsewhere(key K) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ := c.elsewhere(key, time.Now())
	return n
}

// elsewhere needs mu. wanted: another node has to be told of the key.
func (c *Crowd[K]) elsewhere(key K, now time.Time) (n int, wanted bool) {
	for _, node := range c.nodes {
		if s, ok := node.has[key]; ok && now.Sub(node.heard) < crowdLife {
			n += s.N
			wanted = wanted || s.Much
		}
	}
	return n, wanted
}

func (c *Crowd[K]) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Follow tells the other nodes what is here and hears what they tell, until ctx
// ends; then it says that nothing is here any more. Where it is not called only what
// is here counts.
func (c *Crowd[K]) Follow(ctx context.Context, wire bus.Bus, topic string) {
	defer wire.Subscribe(topic, c.hear)()
	tick := time.NewTicker(tellCrowd)
	defer tick.Stop()
	told := false // something that the others know
	for {
		select {
		case <-tick.C:
		case <-c.changed:
		case <-ctx.Done():
			if told {
				c.tell(wire, topic, nil)
			}
			return
		}
		if shares := c.shares(time.Now()); told || len(shares) > 0 {
			c.tell(wire, topic, shares)
			told = len(shares) > 0
		}
		select {
		case <-time.After(tellChange):
		case <-ctx.Done():
		}
	}
}

func (c *Crowd[K]) tell(wire bus.Bus, topic string, shares []share[K]) {
	if !wire.Others() {
		return
	}
	if b, err := json.Marshal(crowdMessage[K]{c.self, shares}); err == nil { // it can, or keys are of no use
		wire.Publish(topic, b)
	}
}

// shares is what the others have to know, and forgets nodes that are silent.
func (c *Crowd[K]) shares(now time.Time) (list []share[K]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.much {
		list = append(list, share[K]{key, c.here[key], true})
	}
	asked := map[K]struct{}{}
	for name, node := range c.nodes {
		if now.Sub(node.heard) >= crowdLife {
			delete(c.nodes, name)
			continue
		}
		for key, s := range node.has {
			_, much := c.much[key]
			_, listed := asked[key]
			if n := c.here[key]; n > 0 && s.Much && !much && !listed && len(list) < maxShares {
				asked[key] = struct{}{}
				list = append(list, share[K]{Key: key, N: n})
			}
		}
	}
	return list
}

// hear takes in what other nodes tell.
func (c *Crowd[K]) hear(batch [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, data := range batch {
		var m crowdMessage[K]
		if json.Unmarshal(data, &m) != nil || m.Node == "" || m.Node == c.self || len(m.Node) > maxNodeLen {
			continue // of a program that says it otherwise
		}
		if len(m.Shares) == 0 {
			delete(c.nodes, m.Node)
			continue
		}
		c.take(m)
	}
}

// take needs mu. Who has to tell of a key that it did not tell of does so at once.
func (c *Crowd[K]) take(m crowdMessage[K]) {
	was := c.nodes[m.Node]
	if was == nil {
		if len(c.nodes) >= maxCrowd {
			return
		}
		was = &crowdNode[K]{}
	}
	is := &crowdNode[K]{heard: time.Now(), has: make(map[K]share[K], min(len(m.Shares), maxShares))}
	c.nodes[m.Node] = is
	for _, s := range m.Shares[:min(len(m.Shares), maxShares)] {
		s.N = min(max(s.N, 0), maxShare)
		is.has[s.Key] = s
		if _, much := c.much[s.Key]; s.Much && !much && !was.has[s.Key].Much && c.here[s.Key] > 0 {
			c.wake()
		}
	}
}
