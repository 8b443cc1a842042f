//go:build !linux

package listen

import (
	"errors"
	"net"
	"sync/atomic"
)

// A leanAcceptor is for Linux.
type leanAcceptor struct{ on atomic.Bool }

func newLeanAcceptor(net.Listener) (*leanAcceptor, error) { return nil, errors.ErrUnsupported }

func (*leanAcceptor) accept() (net.Conn, error) { return nil, nil }
func (*leanAcceptor) wake()                     {}
func (*leanAcceptor) close()                    {}
