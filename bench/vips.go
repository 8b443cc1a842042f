package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// vipsMakes has libvips' command line tool make these pictures of a quality, in so
// many processes as there are cores, and returns what it used in all.
func vipsMakes(ctx context.Context, in, out string, names []string, quality int) (cpu time.Duration, memory float64, err error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return 0, 0, err
	}
	n := min(runtime.NumCPU(), len(names))
	var mu sync.Mutex
	err = eachOf(n, n, func(i int) error {
		args := []string{"--size", fmt.Sprintf("%dx", picturesWide), "-o", fmt.Sprintf("%s/%%s.jpg[Q=%d]", out, quality)}
		for j := i; j < len(names); j += n {
			args = append(args, filepath.Join(in, names[j]))
		}
		cmd := exec.CommandContext(ctx, "vipsthumbnail", args...)
		cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("vipsthumbnail: %w: %s", err, b)
		}
		mu.Lock()
		defer mu.Unlock()
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		memory += peakOf(cmd.ProcessState)
		return nil
	})
	return cpu, memory, err
}

// vipsQuality is the lowest quality of vipsthumbnail whose picture is as near the
// reference as portico's, and what it gets there.
func vipsQuality(ctx context.Context, dir, in, name string, reference plane, want float64) (quality int, got float64, err error) {
	similar := map[int]float64{}
	lo, hi := 60, 98
	for lo < hi {
		q := (lo + hi) / 2
		if similar[q], err = vipsSSIM(ctx, dir, in, name, reference, q); err != nil {
			return 0, 0, err
		}
		if similar[q] >= want {
			hi = q
		} else {
			lo = q + 1
		}
	}
	if _, ok := similar[lo]; !ok {
		similar[lo], err = vipsSSIM(ctx, dir, in, name, reference, lo)
	}
	return lo, similar[lo], err
}

func vipsSSIM(ctx context.Context, dir, in, name string, reference plane, quality int) (float64, error) {
	out := filepath.Join(dir, "vips-one")
	if _, _, err := vipsMakes(ctx, in, out, []string{name}, quality); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(filepath.Join(out, name[:len(name)-len(filepath.Ext(name))]+".jpg"))
	if err != nil {
		return 0, err
	}
	p, err := decodePlane(b)
	if err != nil {
		return 0, err
	}
	if p.w != reference.w || p.h != reference.h {
		return 0, fmt.Errorf("vipsthumbnail made %d x %d, not %d x %d", p.w, p.h, reference.w, reference.h)
	}
	return ssim(reference, p), nil
}
