package main

import (
	"context"
	"path/filepath"
	"time"
)

// A part is measured and published by itself.
type part struct {
	name  string
	about string
	needs []string // commands of peers and of the load; see peerPackages
	// takes is about how long it takes on a quiet machine; three times that and a
	// minute is its bound.
	takes func(b *bench) time.Duration
	run   func(ctx context.Context, b *bench, r *report) error
}

// parts are all there are, in the order in which they are run.
func parts() []part {
	return []part{
		{"http", "requests and new connections a second, plain and TLS", []string{"wrk", "nginx", "haproxy"}, httpTakes, runHTTP},
		{"split", "what a split adds to the time of a connection", frontPeers, splitTakes, runSplit},
		{"delivery", "files and pictures of four sizes, plain and TLS", []string{"wrk", "nginx"}, deliveryTakes, runDelivery},
		{"proxy", "the HTTP proxy", frontPeers, proxyTakes, runProxy},
		{"relay", "the TCP relay, before and after a split", frontPeers, relayTakes, runRelay},
		{"pictures", "pictures made smaller", []string{"vipsthumbnail", "vips"}, picturesTakes, runPictures},
		{"chat", "messages acknowledged and delivered", []string{"prosody"}, chatTakes, runChat},
		{"idle", "memory of idle connections", []string{"nginx", "prosody"}, idleTakes, runIdle},
		{"start", "start and reload with 1 to 1,000 listeners", []string{"nginx"}, startTakes, runStart},
		{"reload", "requests while 1,000 listeners are reloaded", []string{"nginx"}, reloadTakes, runReload},
		{"nodes", "a chat on one node, on two and on four", []string{"psql", "nats-server"}, nodesTakes, runNodes},
		{"growth", "how cost grows with 1, 10 and 100 times the work", frontPeers, growthTakes, runGrowth},
	}
}

// pageOf is the page of a part: that one, or one of its own beside it.
func pageOf(part, page string) string {
	if part == "nodes" {
		return filepath.Join(filepath.Dir(page), "scale.md")
	}
	return page
}

// turns is how long n servers take, each measured in every round; starting a load
// takes a moment, too.
func (b *bench) turns(n int) time.Duration {
	return time.Duration(n*b.rounds) * (b.each + 100*time.Millisecond)
}
