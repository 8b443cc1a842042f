package images

import (
	"math"
	"net/url"
	"slices"
	"strconv"

	"github.com/porticod/portico/pkg/picture"
)

// A wish is what the query of a request asks for.
type wish struct {
	w, h    int // pixels, 0: not said; device pixels are in already
	fit     picture.Fit
	format  picture.Format
	auto    bool // fmt=auto: follows Accept
	quality int  // 0: not said
	signed  bool
	version string // of the picture that the address was made for
}

// none reports that the picture is wanted as it is.
func (w wish) none() bool {
	return w.w == 0 && w.h == 0 && w.format == picture.Auto && !w.auto && w.quality == 0
}

// parseWish reads a query. Parameters that it does not know are left alone.
func parseWish(q url.Values) (w wish, err error) {
	number := func(name string, low, high int) (n int) {
		if s := q.Get(name); s != "" && err == nil {
			if n, err = strconv.Atoi(s); err != nil || n < low || n > high {
				err = badRequest("%s must be a whole number from %d to %d", name, low, high)
			}
		}
		return n
	}
	w.w, w.h = number("w", 1, 65535), number("h", 1, 65535)
	w.quality = number("q", 1, 100)
	if err != nil {
		return wish{}, err
	}
	switch s := q.Get("fit"); s {
	case "", "contain":
	case "cover":
		w.fit = picture.Cover
	case "fill":
		w.fit = picture.Fill
	default:
		return wish{}, badRequest("fit must be contain, cover or fill")
	}
	switch s := q.Get("fmt"); s {
	case "":
	case "auto":
		w.auto = true
	case "jpeg", "jpg":
		w.format = picture.JPEG
	case "png":
		w.format = picture.PNG
	case "webp":
		w.format = picture.WebP
	case "avif":
		w.format = picture.AVIF
	default:
		return wish{}, badRequest("fmt must be jpeg, png, webp, avif or auto")
	}
	if s := q.Get("dpr"); s != "" {
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || !(f >= 0.1 && f <= 8) {
			return wish{}, badRequest("dpr must be a number from 0.1 to 8")
		}
		scale := func(n int) int { return min(int(math.Ceil(float64(n)*f)), 65535) }
		w.w, w.h = scale(w.w), scale(w.h)
	}
	w.version = q.Get("v")
	return w, nil
}

// ratios are the shapes, width by height, that unsigned cover and fill have,
// besides those turned by a quarter.
var ratios = []float64{1, 5. / 4, 4. / 3, 3. / 2, 16. / 10, 16. / 9, 2, 21. / 9, 3}

// qualities are the steps of q without a signature.
var qualities = []int{40, 60, 75, 86, 90, 95}

// spec returns the version that answers w for a picture. What is not signed is
// moved to one of a few versions, so that nobody can have the service make
// thousands of one picture.
func (w wish) spec(info picture.Info, cfg *Config) picture.Spec {
	s := picture.Spec{Fit: w.fit, Format: w.format, Quality: w.quality}
	if s.Format == picture.WebP || s.Format == picture.AVIF {
		s.Format = picture.Auto // until there is one; see modern
	}
	if !w.signed && s.Quality != 0 {
		s.Quality = above(qualities, s.Quality)
	}
	if s.Quality == 0 {
		s.Quality = cfg.Quality
	}
	switch {
	case w.w == 0 && w.h == 0:
		// The size stays, only the format or quality is another. Unsigned,
		// that is the largest step at most.
		s.Fit = picture.Contain
		s.Width = info.Width
		if !w.signed {
			s.Width = min(s.Width, slices.Max(cfg.Ladder))
		}
	case w.signed && w.w > 0 && w.h > 0 && w.fit != picture.Contain:
		s.Width, s.Height = w.w, w.h
	case w.w == 0 || w.h == 0 || w.fit == picture.Contain:
		// The width alone says it all, and makes fewer versions.
		s.Fit = picture.Contain
		s.Width, _ = picture.Spec{Width: w.w, Height: w.h}.Size(info.Width, info.Height)
		if !w.signed {
			s.Width = min(above(cfg.Ladder, s.Width), info.Width)
		}
	default:
		s.Width, s.Height = snapBox(cfg.Ladder, w.w, w.h)
	}
	return s
}

// above returns the smallest step that is not below n, or the largest.
func above(steps []int, n int) int {
	i, _ := slices.BinarySearch(steps, n)
	return steps[min(i, len(steps)-1)]
}

// snapBox moves the longer side up to a step and the shape to the nearest ratio.
func snapBox(steps []int, w, h int) (int, int) {
	long := above(steps, max(w, h))
	r := float64(max(w, h)) / float64(min(w, h))
	best := ratios[0]
	for _, c := range ratios {
		if math.Abs(math.Log(c/r)) < math.Abs(math.Log(best/r)) {
			best = c
		}
	}
	short := max(1, int(math.Round(float64(long)/best)))
	if w >= h {
		return long, short
	}
	return short, long
}
