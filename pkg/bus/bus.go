// Package bus carries short messages between the nodes of one portico. It may
// lose any of them, and those of two nodes come in any order: it is never the
// truth, which lies in a store. It keeps nothing, and asks nobody to confirm.
package bus

import "strings"

// Bounds of every bus. What is beyond them is dropped and counted, the newest
// first: who gets too little finds the gap and reads the store.
const (
	MaxMessage = 512 << 10 // bytes of a message

	maxWaiting      = 8192     // messages that wait in a Queue
	maxWaitingBytes = 16 << 20 // of these
)

// A Bus is a node's place on the bus. All methods may be called from many
// goroutines.
type Bus interface {
	// Publish gives data to who has subscribed to the topic on other nodes, soon or
	// never; what one node publishes on a topic arrives in its order. Subscribers of
	// this node get nothing: who publishes tells them itself, at once and whether
	// the bus is there or not. It does not block. data is the bus's from then on.
	Publish(topic string, data []byte)

	// Subscribe has fn called, in a goroutine of its own, with the messages that
	// came since it was called last, the oldest first, until stop has returned. fn
	// must not change them, and must not call stop. A topic that has no valid name
	// has no messages.
	Subscribe(topic string, fn func(batch [][]byte)) (stop func())

	// Others reports whether there can be other nodes. Where not, what Publish would
	// carry need not be made.
	Others() bool

	// Healthy reports whether other nodes can be reached, as far as is known. Who
	// depends on hearing from them looks into the store more often while it is not.
	Healthy() bool

	// Stats counts since the node began.
	Stats() Stats
}

// Stats are numbers of messages.
type Stats struct {
	Sent     uint64 // handed to the network, or to other nodes
	Received uint64 // for subscribers of this node

	TooLarge uint64 // dropped: beyond MaxMessage, or what the server takes
	Unsent   uint64 // dropped: the bus was away or too slow
	Unheard  uint64 // dropped: a subscriber was too slow
}

// ValidTopic reports whether topic is one: names of lower-case letters, digits, -
// and _ with dots between. It should hold what only nodes of one database know,
// because several porticos may share a server.
func ValidTopic(topic string) bool {
	for name := range strings.SplitSeq(topic, ".") {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(topic) <= 200
}
