package picture

import (
	"context"
	"fmt"
)

// work is a Job without what concerns its queue, done wherever there is a
// process for it.
type work struct {
	specs    []Spec
	blurhash bool
	each     func(Variant) error // its error ends the work
}

// do decodes src once and makes everything of it.
func (k work) do(ctx context.Context, c Codec, src Source, info Info) (hash string, err error) {
	f, err := decode(ctx, src, info, k.targets(info))
	if err != nil {
		return "", err
	}
	icc := profile(src, info)
	for _, s := range k.specs {
		v, err := one(ctx, c, f, info, s, icc)
		if err != nil {
			return "", err
		}
		if err := k.each(v); err != nil {
			return "", err
		}
	}
	if !k.blurhash {
		return "", nil
	}
	small, err := shape(ctx, f, info, blurSpec)
	if err != nil {
		return "", err
	}
	if hash, err = small.hash(); err != nil {
		return "", fmt.Errorf("make blurhash: %w", err)
	}
	return hash, nil
}

// targets is all that is to be made, for a decoder that can leave out what
// nobody looks at.
func (k work) targets(info Info) (out []target) {
	for _, s := range k.specs {
		out = append(out, s.target(info))
	}
	if k.blurhash {
		out = append(out, blurSpec.target(info))
	}
	return out
}

// blurSpec is what a blurhash is made of.
var blurSpec = Spec{Width: blurSide, Height: blurSide, Format: PNG}

// target is what s makes of a picture as it is stored.
func (s Spec) target(info Info) target {
	w, h, win := s.plan(info.Width, info.Height)
	if info.Orientation >= 5 {
		w, h = h, w
	}
	return target{w, h, win.turned(info.Orientation), s.Format != PNG && s.quality() < fullChroma}
}

// one makes one variant of f.
func one(ctx context.Context, c Codec, f *frame, info Info, s Spec, icc []byte) (Variant, error) {
	g, err := shape(ctx, f, info, s)
	if err != nil {
		return Variant{}, err
	}
	w, h := g.size()
	data, format, err := encode(c, g, s, icc)
	if err != nil {
		return Variant{}, fmt.Errorf("write %d x %d picture: %w", w, h, err)
	}
	return Variant{Spec: s, Format: format, Width: w, Height: h, Data: data}, nil
}

// shape returns f in the size of s, the right way up and in colors that can be
// written.
func shape(ctx context.Context, f *frame, info Info, s Spec) (*frame, error) {
	t := s.target(info)
	g, err := f.resize(ctx, t)
	if err != nil {
		return nil, err
	}
	return g.plain(t.half).orient(info.Orientation), nil
}
