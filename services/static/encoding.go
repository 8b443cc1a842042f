package static

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// encodings are what a file may lie beside its original in, best first.
var encodings = []struct{ name, ext string }{
	{"br", ".br"},
	{"zstd", ".zst"},
	{"gzip", ".gz"},
}

// sibling opens the compressed file that the client likes best, if there is one.
// The caller closes it.
func (q *request) sibling(name string, original fs.FileInfo) (sibling found, ok bool) {
	weights := acceptEncoding(strings.Join(q.r.Header.Values("Accept-Encoding"), ","))
	order := slices.Clone(encodings)
	slices.SortStableFunc(order, func(a, b struct{ name, ext string }) int {
		return weights.of(b.name) - weights.of(a.name)
	})
	for _, e := range order {
		if weights.of(e.name) == 0 {
			break
		}
		f, fi, err := q.open(name + e.ext)
		if err != nil {
			continue
		}
		if fi.Mode().IsRegular() && !fi.ModTime().Before(original.ModTime()) {
			return found{f, fi, name + e.ext, e.name}, true
		}
		_ = f.Close()
	}
	return found{}, false
}

// weights are the qualities of codings, in thousandths.
type weights map[string]int

func (w weights) of(coding string) int {
	if q, ok := w[coding]; ok {
		return q
	}
	return w["*"]
}

// acceptEncoding parses a header (RFC 9110, section 12.5.3). What it does not
// understand it takes for not accepted.
func acceptEncoding(header string) weights {
	w := weights{}
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding == "" || len(w) >= 16 {
			continue
		}
		q := 1000
		if name, value, ok := strings.Cut(strings.TrimSpace(params), "="); ok && strings.EqualFold(strings.TrimSpace(name), "q") {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(f >= 0 && f <= 1) {
				f = 0
			}
			q = int(f * 1000)
		}
		w[coding] = q
	}
	return w
}
