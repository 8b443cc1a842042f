package bus

import (
	"sync"
	"sync/atomic"
)

// A Local is a bus within one process. Its zero value is one without nodes.
type Local struct {
	mu    sync.Mutex
	nodes int                           // guarded by mu
	subs  map[string]map[*localSub]bool // by topic; guarded by mu
}

type localSub struct {
	*Queue
	node *Node
}

// A Node is a place on a Local. It is a Bus.
type Node struct {
	local                             *Local
	once                              sync.Once
	sent, received, tooLarge, unheard atomic.Uint64
}

var _ Bus = (*Node)(nil)

// Node adds a node.
func (l *Local) Node() *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes++
	return &Node{local: l}
}

// Close takes the node off the bus: it hears nothing more. It does not wait for
// its subscribers, who stop themselves.
func (n *Node) Close() error {
	n.once.Do(func() {
		l := n.local
		l.mu.Lock()
		defer l.mu.Unlock()
		l.nodes--
		for topic, subs := range l.subs {
			for s := range subs {
				if s.node == n {
					l.forget(topic, s)
				}
			}
		}
	})
	return nil
}

// forget needs mu.
func (l *Local) forget(topic string, s *localSub) {
	if delete(l.subs[topic], s); len(l.subs[topic]) == 0 {
		delete(l.subs, topic)
	}
}

// Publish implements Bus.
func (n *Node) Publish(topic string, data []byte) {
	if len(data) > MaxMessage {
		n.tooLarge.Add(1)
		return
	}
	l := n.local
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes > 1 {
		n.sent.Add(1)
	}
	for s := range l.subs[topic] {
		switch {
		case s.node == n:
		case s.Put(data):
			s.node.received.Add(1)
		default:
			s.node.unheard.Add(1)
		}
	}
}

// Subscribe implements Bus.
func (n *Node) Subscribe(topic string, fn func(batch [][]byte)) (stop func()) {
	if !ValidTopic(topic) {
		return func() {}
	}
	s := &localSub{Queue: NewQueue(fn), node: n}
	l := n.local
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subs == nil {
		l.subs = map[string]map[*localSub]bool{}
	}
	if l.subs[topic] == nil {
		l.subs[topic] = map[*localSub]bool{}
	}
	l.subs[topic][s] = true
	return func() {
		l.mu.Lock()
		l.forget(topic, s)
		l.mu.Unlock()
		s.Stop()
	}
}

// Others implements Bus.
func (n *Node) Others() bool {
	n.local.mu.Lock()
	defer n.local.mu.Unlock()
	return n.local.nodes > 1
}

// Healthy implements Bus.
func (n *Node) Healthy() bool { return true }

// Stats implements Bus.
func (n *Node) Stats() Stats {
	return Stats{Sent: n.sent.Load(), Received: n.received.Load(), TooLarge: n.tooLarge.Load(), Unheard: n.unheard.Load()}
}
