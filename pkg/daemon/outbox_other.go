//go:build !linux

package daemon

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/porticod/portico/pkg/mux"
)

// There is nobody who would keep connections.
type outbox struct{}

func newOutbox(Store) (*outbox, error)        { return nil, errors.ErrUnsupported }
func (*outbox) send(letter, []int) error      { return errors.ErrUnsupported }
func (*outbox) close(bool) error              { return nil }
func duplicate(*mux.Conn) (fd int, err error) { return -1, errors.ErrUnsupported }
func farewell(int, []byte)                    {}
func closeFD(int)                             {}
func tellLast(net.Conn, []byte)               {}
func monotonic() int64                        { return 0 }

type parcel struct {
	letter letter
	conns  []net.Conn
	torn   error
}

func receive(*os.File) (parcel, error) { return parcel{}, io.EOF }
