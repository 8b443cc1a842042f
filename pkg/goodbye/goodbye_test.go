package goodbye_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/porticod/portico/pkg/goodbye"
)

var goAway = []byte{0x88, 2, 0x03, 0xe9} // 1001

// frame is one with a payload of n bytes, with a mask if wanted.
func frame(n int, masked bool) []byte {
	b := []byte{0x82, byte(min(n, 126))}
	if n >= 126 {
		b = append(b, byte(n>>8), byte(n))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x88}, n)...)
}

// The goodbye comes after the frame that was being sent, wherever it was asked
// for and however the frames are cut, and nothing follows it.
func TestBetweenFrames(t *testing.T) {
	stream := bytes.Join([][]byte{frame(0, false), frame(3, false), frame(200, true), frame(1, true)}, nil)
	ends := map[int]bool{0: true}
	for at, n := 0, 0; n < 4; n++ {
		at += []int{2, 5, 208, 7}[n]
		ends[at] = true
	}
	for asked := range len(stream) + 1 {
		want := asked
		for !ends[want] {
			want++
		}
		for _, step := range []int{1, 2, 7, len(stream)} {
			var got bytes.Buffer
			w := goodbye.NewWriter(&got)
			w.Open()
			feed := func(b []byte) {
				for len(b) > 0 {
					n := min(step, len(b))
					if m, err := w.Write(b[:n]); m != n || err != nil {
						t.Fatalf("%d of %d, %v", m, n, err)
					}
					b = b[n:]
				}
			}
			feed(stream[:asked])
			w.Say(1001)
			w.Say(1001)
			feed(stream[asked:])
			if !bytes.Equal(got.Bytes(), append(bytes.Clone(stream[:want]), goAway...)) {
				t.Fatalf("asked after %d bytes, in pieces of %d: %x", asked, step, got.Bytes())
			}
		}
	}
}

// Before the handshake was answered nothing is said.
func TestNotBeforeTheHandshake(t *testing.T) {
	var got bytes.Buffer
	w := goodbye.NewWriter(&got)
	w.Say(1001)
	if got.Len() > 0 {
		t.Errorf("%x was said", got.Bytes())
	}
	w.Open()
	if !bytes.Equal(got.Bytes(), goAway) {
		t.Errorf("%x was said", got.Bytes())
	}
}

// Without a goodbye a write stays one.
func TestOneWriteIsOneWrite(t *testing.T) {
	writes := 0
	w := goodbye.NewWriter(writerFunc(func(p []byte) (int, error) { writes++; return len(p), nil }))
	_, _ = w.Write(append(frame(5, false), frame(7, false)...))
	if writes != 1 {
		t.Errorf("%d writes", writes)
	}
	broken := errors.New("broken")
	w = goodbye.NewWriter(writerFunc(func([]byte) (int, error) { return 0, broken }))
	if _, err := w.Write(frame(5, false)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Where the goodbye comes does not depend on the pieces that frames come in, and
// what comes before it is as it was.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{0x81, 1, 'x', 0x82, 126, 0, 2, 'a', 'b', 0x88, 0x80, 1, 2, 3, 4}, 3, 4)
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}, 1, 3)
	f.Add([]byte{0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255, 'x'}, 2, 0)
	f.Fuzz(func(t *testing.T, b []byte, step, asked int) {
		step, asked = max(1, min(step, 64)), max(0, min(asked, len(b)))
		said := func(step int) string {
			var got bytes.Buffer
			w := goodbye.NewWriter(&got)
			for at := 0; at < len(b); {
				n := min(step, len(b)-at)
				if at < asked {
					n = min(n, asked-at)
				}
				if at == asked {
					w.Say(1001)
				}
				if m, err := w.Write(b[at : at+n]); m != n || err != nil {
					t.Fatalf("%d of %d, %v", m, n, err)
				}
				at += n
			}
			if rest, ok := bytes.CutSuffix(got.Bytes(), goAway); !bytes.HasPrefix(b, got.Bytes()) && (!ok || !bytes.HasPrefix(b, rest)) {
				t.Fatalf("%x became %x", b, got.Bytes())
			}
			return fmt.Sprintf("%x", got.Bytes())
		}
		if one, whole := said(step), said(len(b)+1); one != whole {
			t.Errorf("%s in pieces, %s at once", one, whole)
		}
	})
}
