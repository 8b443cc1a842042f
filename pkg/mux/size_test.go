package mux

import (
	"testing"
	"unsafe"
)

// There is one of them for every open connection: what few need lies elsewhere.
// 320 bytes are a size that Go's memory has pieces of; the next is 352.
func TestSizeOfAConnection(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 320 {
		t.Errorf("a Conn takes %d bytes", n)
	}
}
