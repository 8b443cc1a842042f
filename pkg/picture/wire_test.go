package picture

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
)

// FuzzAnswers has a worker say anything. What comes of it is an error or pictures
// of the sizes that were asked for, in no more memory than these may take.
func FuzzAnswers(f *testing.F) {
	info := Info{Format: JPEG, Width: 40, Height: 30, Orientation: 1, Frames: 1}
	specs := []Spec{{Width: 20}, {Width: 10, Format: PNG}}
	say := func(answers ...any) []byte {
		var b bytes.Buffer
		for _, a := range answers {
			if s, ok := a.(string); ok {
				b.WriteString(s)
			} else if err := send(&b, a); err != nil {
				f.Fatal(err)
			}
		}
		return b.Bytes()
	}
	const jpeg, png = "\xff\xd8\xff\xe0", pngMagic
	first := answer{Made: true, Format: JPEG, Width: 20, Height: 15, Size: int64(len(jpeg))}
	second := answer{Made: true, Index: 1, Format: PNG, Width: 10, Height: 8, Size: int64(len(png))}
	f.Add(say(first, jpeg, second, png, answer{Blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Memory: 1 << 20}))
	f.Add(say(first, jpeg, answer{}))
	f.Add(say(answer{Kind: "broken", Error: strings.Repeat("x", 5000)}))
	huge := first
	huge.Size = 1 << 40
	f.Add(say(huge, jpeg))
	f.Add(say(answer{Made: true, Index: -1, Size: -1}))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		w := &process{out: bufio.NewReader(bytes.NewReader(said)), spoiled: true}
		made := 0
		hash, err := w.answers(info, work{specs: specs, each: func(v Variant) error {
			width, height := specs[made].Size(info.Width, info.Height)
			if v.Width != width || v.Height != height || len(v.Data) > len(said) || written(v.Data) != v.Format {
				t.Errorf("variant %d: %v of %dx%d, %d bytes", made, v.Format, v.Width, v.Height, len(v.Data))
			}
			made++
			return nil
		}})
		if len(hash) > 100 || err != nil && len(err.Error()) > 3000 {
			t.Errorf("%q, %v", hash, err)
		}
		if err == nil && made != len(specs) {
			t.Errorf("all is well with %d of %d pictures", made, len(specs))
		}
		if errors.Is(err, errCrashed) && !w.spoiled {
			t.Error("it is used again")
		}
	})
}
