package admin

import (
	"time"

	"github.com/porticod/portico/pkg/daemon"
)

// Socket is one live connection.
type Socket struct {
	ID       uint64    `json:"id"`
	Listener string    `json:"listener"`
	Route    string    `json:"route,omitempty"`
	Service  string    `json:"service,omitempty"`
	Peer     string    `json:"peer"`
	Via      string    `json:"via,omitempty"` // the proxy in front
	Local    string    `json:"local"`
	Protocol string    `json:"protocol,omitempty"`
	State    string    `json:"state"`
	Opened   time.Time `json:"opened"`
	Age      float64   `json:"age_seconds"`
	Since    time.Time `json:"state_since"`
	BytesIn  int64     `json:"bytes_in"` // from the client
	BytesOut int64     `json:"bytes_out"`
}

func sockets(infos []daemon.SocketInfo) []Socket {
	now := time.Now()
	list := make([]Socket, len(infos))
	for i, s := range infos {
		list[i] = Socket{
			ID: s.ID, Listener: s.Listener, Route: s.Label, Service: s.Service,
			Peer: s.Peer, Via: s.Via, Local: s.Local, Protocol: string(s.Protocol), State: s.State.String(),
			Opened: s.Opened, Age: now.Sub(s.Opened).Seconds(), Since: s.Since, BytesIn: s.In, BytesOut: s.Out,
		}
	}
	return list
}
