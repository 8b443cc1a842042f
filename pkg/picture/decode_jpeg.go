package picture

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/porticod/portico/pkg/picture/jpegdec"
)

// decodeJPEG decodes as large as the largest of targets calls for: where all
// would halve the picture first, the decoder makes the half (measured against
// all samples: SSIM 0.99 and better).
func decodeJPEG(ctx context.Context, src Source, info Info, targets []target) (*frame, error) {
	data, err := wholeFile(ctx, src)
	if err != nil {
		return nil, err
	}
	w, h := info.stored()
	p, err := jpegdec.Decode(data, jpegdec.Options{
		Shift: func(p *jpegdec.Picture, i int, c jpegdec.Component) int {
			chroma := i > 0 && p.Components == 3 && !p.RGB()
			return jpegShift(targets, float64(w)*c.FracW, float64(h)*c.FracH, chroma)
		},
		Stop: ctx.Err,
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, jpegdec.ErrTruncated):
		return nil, broken(JPEG, nil)
	case err != nil:
		return nil, classifyDecode(JPEG, err)
	case p.Width != w || p.Height != h:
		return nil, fmt.Errorf("%w: %v pixels are not as many as the header says", ErrBroken, info.Format)
	}
	return jpegFrame(p)
}

// jpegShift is how often a component that covers fw x fh samples would be halved
// for every target.
func jpegShift(targets []target, fw, fh float64, chroma bool) int {
	if len(targets) == 0 {
		return 0
	}
	n := 3
	for _, t := range targets {
		n = min(n, t.level(fw, fh, chroma))
	}
	return n
}

// wholeFile returns the bytes of src. A source that has them in memory is asked
// for them.
func wholeFile(ctx context.Context, src Source) ([]byte, error) {
	if m, ok := src.(interface{ Bytes() []byte }); ok {
		return m.Bytes(), nil
	}
	data := make([]byte, src.Size())
	r := &ctxReader{ctx: ctx, r: io.NewSectionReader(src, 0, src.Size())}
	if _, err := io.ReadFull(r, data); err != nil {
		if r.err != nil {
			return nil, r.err
		}
		return nil, fmt.Errorf("read picture: %w", err)
	}
	return data, nil
}

func jpegFrame(p *jpegdec.Picture) (*frame, error) {
	f := &frame{}
	for _, c := range p.Planes {
		f.planes = append(f.planes, plane{c.Pix, c.Stride, c.W, c.H, c.FW, c.FH})
		f.shift = append(f.shift, c.Shift)
	}
	switch len(p.Planes) {
	case 1:
		f.model = gray
	case 3:
		f.model = ycc
		if p.RGB() {
			f.model = rgb
		}
	case 4:
		switch {
		case p.Adobe < 0:
			return nil, fmt.Errorf("%w: a JPEG of four colors that does not say which", ErrFormat)
		case p.Adobe == 0:
			f.model = cmyk
		default:
			f.model = ycck
		}
	}
	return f, nil
}

// jpegCost is what the decoder takes in bytes for its samples.
func jpegCost(info Info, specs []Spec) int64 {
	samples := info.Pixels() * int64(info.samples) / 4
	var n int64
	if info.Progressive {
		n = 2 * samples // coefficients
	}
	shift := 3
	for _, s := range specs {
		t := s.target(info)
		w, h := info.stored()
		shift = min(shift, t.level(float64(w), float64(h), false))
	}
	if len(specs) == 0 {
		shift = 0
	}
	samples >>= 2 * shift
	return n + samples + samples/2 // with their halves
}
