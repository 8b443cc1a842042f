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
	f, err := decode(ctx, src, info)
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
	small, err := shape(ctx, f, info, Spec{Width: blurSide, Height: blurSide}, false)
	if err != nil {
		return "", err
	}
	if hash, err = small.hash(); err != nil {
		return "", fmt.Errorf("make blurhash: %w", err)
	}
	return hash, nil
}

// one makes one variant of f.
func one(ctx context.Context, c Codec, f *frame, info Info, s Spec, icc []byte) (Variant, error) {
	half := s.Format != PNG && s.quality() < fullChroma
	g, err := shape(ctx, f, info, s, half)
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

// shape returns f in the size of s, the right way up.
func shape(ctx context.Context, f *frame, info Info, s Spec, half bool) (*frame, error) {
	w, h, win := s.plan(info.Width, info.Height)
	if info.Orientation >= 5 {
		w, h = h, w
	}
	g, err := f.resize(ctx, win.turned(info.Orientation), w, h, half)
	if err != nil {
		return nil, err
	}
	return g.orient(info.Orientation), nil
}
