package picture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// Every file of PngSuite, all depths and color types, interlaced and not, looks
// like what the standard library reads.
func TestPngSuite(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src/image/png/testdata/pngsuite/*.png"))
	if err != nil || len(names) < 30 {
		t.Fatalf("%v, %d files", err, len(names))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		v := one(t, b, picture.Spec{Format: picture.PNG})
		if d := distance(t, decoded(t, v.Data), want); d > 1 {
			t.Errorf("%s: %.2f off", filepath.Base(name), d)
		}
		small := one(t, b, picture.Spec{Width: 9})
		if w := decoded(t, small.Data).Bounds().Dx(); w != 9 && want.Bounds().Dx() > 9 {
			t.Errorf("%s: %d wide, want 9", filepath.Base(name), w)
		}
		if err := picture.Strip(&bytes.Buffer{}, bytes.NewReader(b)); err != nil {
			t.Errorf("%s: strip: %v", filepath.Base(name), err)
		}
	}
}

// A file that carries on as something else behind its picture, or that something
// else begins with, gives the picture or nothing: never what was hidden.
func TestPolyglots(t *testing.T) {
	const evil = "<script>alert(1)</script>PK\x03\x04"
	for name, b := range map[string][]byte{"jpeg": asJPEG(t, scene(60, 40), 80), "png": asPNG(t, scene(60, 40))} {
		v := one(t, append(bytes.Clone(b), evil...), picture.Spec{Width: 30})
		if bytes.Contains(v.Data, []byte("script")) {
			t.Errorf("%s: what hung behind it is in the variant", name)
		}
		if err := make1(append([]byte(evil), b...), picture.Options{}); !errors.Is(err, picture.ErrFormat) {
			t.Errorf("%s behind something else: %v", name, err)
		}
	}
	commented := insertAfter(asJPEG(t, scene(60, 40), 80), 2, segment(0xfe, []byte(evil)))
	if v := one(t, commented, picture.Spec{}); bytes.Contains(v.Data, []byte("script")) {
		t.Error("a comment is in the variant")
	}
}

// What people have and cannot send is called by its name.
func TestKindsThatAreNotRead(t *testing.T) {
	for name, b := range map[string]string{
		"HEIC": "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
		"AVIF": "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1",
		"TIFF": "II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"film": "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
	} {
		_, err := picture.Inspect(strings.NewReader(b))
		if !errors.Is(err, picture.ErrFormat) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Memory for 64 at a time is that of a few: the budget is never passed, and all
// are served.
func TestManyAtOnceStayInTheBudget(t *testing.T) {
	const budget = 6 << 20
	b := asJPEG(t, scene(800, 600), 85)
	pool, _ := apart(t, picture.Options{Memory: budget, Workers: 2, Wait: time.Minute})
	stop := make(chan struct{})
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	var peak int64
	var most int
	var watch, work sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-look.C:
				s := pool.Stats()
				peak, most = max(peak, s.Memory), max(most, pool.Workers())
			}
		}
	})
	for i := range 64 {
		work.Go(func() {
			if _, err := pool.Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: []picture.Spec{{Width: 300 + i}}}); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	work.Wait()
	close(stop)
	watch.Wait()
	if peak > budget || peak == 0 || most > 2 {
		t.Errorf("at most %d bytes and %d workers, the budget is %d and 2", peak, most, budget)
	}
	if s := pool.Stats(); s.Made != 64 || s.Memory != 0 {
		t.Errorf("afterwards: %+v", s)
	}
}

// Workers that wait go; the next picture has a new one. They know nothing of the
// daemon but its picture.
func TestWorkersComeAndGo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("no workers on this system")
		return
	}
	t.Setenv("NOTIFY_SOCKET", "/run/secret")
	t.Setenv("PORTICO_VAR_password", "secret")
	pool, _ := apart(t, picture.Options{Workers: 1})
	b := asJPEG(t, scene(90, 60), 80)
	make := func() int {
		t.Helper()
		if _, err := pool.Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: []picture.Spec{{Width: 30}}}); err != nil {
			t.Fatal(err)
		}
		pids := pool.Waiting()
		if len(pids) != 1 {
			t.Fatalf("workers that wait: %v", pids)
		}
		return pids[0]
	}
	if n := pool.Workers(); n != 0 {
		t.Errorf("%d workers before the first picture", n)
	}
	first := make()
	if again := make(); again != first {
		t.Errorf("worker %d, then %d", first, again)
	}
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", first)); err == nil && bytes.Contains(env, []byte("secret")) {
		t.Errorf("a worker's environment is %q", env)
	}
	pool.Tidy()
	if n := len(pool.Waiting()); n != 0 {
		t.Errorf("%d workers wait after their time", n)
	}
	if other := make(); other == first {
		t.Error("a worker that was sent away came back")
	}
}

// Workers that began with another budget are not used again.
func TestWorkersOfAnotherBudget(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("no workers on this system")
		return
	}
	pool, _ := apart(t, picture.Options{Workers: 1})
	b := asJPEG(t, scene(80, 60), 80)
	worker := func(memory int64) int {
		t.Helper()
		pool.SetMemory(memory)
		if _, err := pool.Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: []picture.Spec{{Width: 10}}}); err != nil {
			t.Fatal(err)
		}
		pids := pool.Waiting()
		if len(pids) != 1 {
			t.Fatalf("workers that wait: %v", pids)
		}
		return pids[0]
	}
	first, second := worker(200<<20), worker(100<<20)
	if first == second {
		t.Error("a worker that may take more than there is")
	}
	if worker(100<<20) != second {
		t.Error("a worker went though nothing changed")
	}
}
