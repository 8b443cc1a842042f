package picture_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	paint "github.com/porticod/portico/pkg/demo/scene"
	"github.com/porticod/portico/pkg/picture"
)

// TestQualityAgainstReference compares with a float Lanczos over all pixels: the
// filter alone, by way of PNG, in every channel, and what JPEG leaves of it in
// brightness.
func TestQualityAgainstReference(t *testing.T) {
	src := asJPEG(t, scene(451, 337), 95)
	m := decoded(t, src)
	pool := picture.NewPool(picture.Options{})
	const luma = 3
	for _, c := range []struct {
		spec     picture.Spec
		channels []int
	}{
		{picture.Spec{Width: 330, Format: picture.PNG}, []int{0, 1, 2}},
		{picture.Spec{Width: 190, Format: picture.PNG}, []int{0, 1, 2}},
		{picture.Spec{Width: 147, Format: picture.PNG}, []int{0, 1, 2}}, // just halved
		{picture.Spec{Width: 48, Format: picture.PNG}, []int{0, 1, 2}},
		{picture.Spec{Width: 330, Quality: 95}, []int{luma}},
		{picture.Spec{Width: 240}, []int{luma}},
		{picture.Spec{Width: 160}, []int{luma}},
	} {
		res, err := pool.Make(context.Background(), bytes.NewReader(src), picture.Job{Specs: []picture.Spec{c.spec}})
		if err != nil {
			t.Fatal(err)
		}
		v := res.Variants[0]
		got := decoded(t, v.Data)
		for _, ch := range c.channels {
			in, w, h := channel(m, ch)
			want := reference(in, w, h, v.Width, v.Height)
			have, gw, gh := channel(got, ch)
			if gw != v.Width || gh != v.Height {
				t.Fatalf("%+v: the file has %dx%d, the variant says %dx%d", c.spec, gw, gh, v.Width, v.Height)
			}
			s := ssim(want, have, gw, gh)
			t.Logf("%+v channel %d: SSIM %.4f, %d bytes", c.spec, ch, s, len(v.Data))
			if s < 0.98 {
				t.Errorf("%+v channel %d: SSIM %.4f against full-size Lanczos, want 0.98", c.spec, ch, s)
			}
		}
	}
}

// A painted scene in the default quality is near to the reference in every format,
// and each format is smaller than the one before.
func TestDefaultQuality(t *testing.T) {
	src, err := paint.Painting(paint.Sea).JPEG(960, 640)
	if err != nil {
		t.Fatal(err)
	}
	const wide = 640
	in, w, h := channel(decoded(t, src), 3)
	job := picture.Job{Specs: []picture.Spec{{Width: wide}, {Width: wide, Format: picture.WebP}}}
	if picture.AVIF.Writable() {
		job.Specs = append(job.Specs, picture.Spec{Width: wide, Format: picture.AVIF})
	}
	res, err := picture.NewPool(picture.Options{}).Make(context.Background(), bytes.NewReader(src), job)
	if err != nil {
		t.Fatal(err)
	}
	before := 1 << 30
	for _, v := range res.Variants {
		have, gw, gh := channel(decoded(t, v.Data), 3)
		if v.Format == picture.WebP { // x/image does not widen video range
			for i := range have {
				have[i] = (have[i] - 16) * 255 / 219
			}
		}
		s := ssim(reference(in, w, h, gw, gh), have, gw, gh)
		t.Logf("%v: SSIM %.4f, %d bytes", v.Format, s, len(v.Data))
		if s < 0.98 || len(v.Data) >= before {
			t.Errorf("%v: SSIM %.4f, want 0.98; %d bytes, %d before", v.Format, s, len(v.Data), before)
		}
		before = len(v.Data)
	}
}

func BenchmarkMake(b *testing.B) {
	src := asJPEG(b, scene(4032, 3024), 88)
	pool := picture.NewPool(picture.Options{})
	warm := func(specs ...picture.Spec) {
		if _, err := pool.Make(context.Background(), bytes.NewReader(src), picture.Job{Specs: specs, Blurhash: true}); err != nil {
			b.Fatal(err)
		}
	}
	warm(picture.Spec{Width: 160})
	b.Logf("source of %d bytes", len(src))
	for _, w := range []int{160, 320, 640, 1080, 2048} {
		b.Run(fmt.Sprint(w), func(b *testing.B) {
			for b.Loop() {
				warm(picture.Spec{Width: w})
			}
		})
	}
	b.Run("ladder", func(b *testing.B) {
		for b.Loop() {
			warm(picture.Spec{Width: 320}, picture.Spec{Width: 640}, picture.Spec{Width: 1080}, picture.Spec{Width: 2048})
		}
	})
}
