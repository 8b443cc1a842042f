package images_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/images"
	"github.com/porticod/portico/services/servicetest"
)

// kind has the standard library write JPEG: jpegli, which pkg/picture tests, takes
// seconds to start under the race detector.
func kind() service.Kind {
	return service.KindOf(images.Type{Pictures: picture.NewPool(picture.Options{Codec: standard{}})})
}

type standard struct{}

func (standard) EncodeJPEG(w io.Writer, m image.Image, quality int, _ bool) error {
	return jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
}

func TestContract(t *testing.T) {
	root := gallery(t)
	config := fmt.Sprintf("root = %q", root)
	bad := func(line string) string { return config + "\n" + line }
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind(),
		Config:  config,
		Changed: bad("cache_size = \"1MiB\"\nmemory_cache = 0\nladder = [100, 200]\nquality = 60\nindex = false\nwebp = false\nsign_key = \"0123456789abcdef\""),
		Bad: map[string]string{
			``:                                     `"root" is missing`,
			fmt.Sprintf("root = %q", root+"/none"): "cannot be read",
			fmt.Sprintf("root = %q", root+"/hills.jpg"):   "not a folder",
			bad("ladder = []"):                            "number of widths",
			bad("ladder = [320, 160]"):                    "not in order",
			bad("ladder = [320, 320]"):                    "not in order",
			bad("ladder = [1]"):                           "out of range",
			bad("max_pixels = 0"):                         "out of range",
			bad("quality = 101"):                          "out of range",
			bad("sign_key = \"short\""):                   "too short",
			bad("old_sign_keys = [\"0123456789abcdef\"]"): "no new key",
			bad("sign_key = \"0123456789abcdef\"\nold_sign_keys = [\"short\"]"): "too short",
			bad("cache_size = \"lots\""):                                        "cache_size",
		},
		Paths:   []string{"/", "/more/", "/none.jpg", "/hills.jpg", "/hills.jpg?w=160", "/more/glass.png?w=160&fit=cover&h=160", "/?limit=1"},
		Healthz: true,
	})
}

// photo is a picture whose bytes differ by seed.
func photo(w, h, seed int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x*255/w + seed), uint8(y * 255 / h), uint8((x ^ y) + seed*31), 255})
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// gallery makes a folder with one of everything.
func gallery(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	glass := image.NewNRGBA(image.Rect(0, 0, 400, 400))
	for i := range glass.Pix {
		glass.Pix[i] = uint8(i / 7)
	}
	hills := jpegOf(t, photo(700, 500, 0))
	for name, data := range map[string][]byte{
		"hills.jpg":              hills,
		"tall.jpg":               jpegOf(t, photo(300, 900, 3)),
		"more/glass.png":         pngOf(t, glass),
		"a, b & <c>?#%.jpg":      jpegOf(t, photo(200, 100, 5)),
		"more/.hidden.jpg":       hills,
		".hidden/in.jpg":         hills,
		".hidden.jpg":            hills,
		"broken.jpg":             hills[:len(hills)/2],
		"notes.txt":              []byte("not a picture"),
		"page.jpg":               []byte("<script>alert(1)</script>"),
		"drawing.svg":            []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
		"without-extension":      hills,
		"empty.jpg":              nil,
		"../outside.jpg":         hills,
		"../outside/secret.jpg":  hills,
		"empty folder/notes.txt": []byte("x"),
	} {
		write(t, filepath.Join(dir, name), data)
	}
	for link, to := range map[string]string{
		"escape.jpg": "../outside.jpg", "absolute.jpg": dir + "/hills.jpg", "out": "../outside",
		"inside.jpg": "more/glass.png", "loop.jpg": "loop.jpg", "dangling.jpg": "none",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.jpg"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A site is a running service.
type site struct {
	t    testing.TB
	root string
	env  *servicetest.Env
	svc  service.Service
	srv  *servicetest.HTTPServer
}

func serve(t testing.TB, root, more string) *site {
	t.Helper()
	svc, env := servicetest.Open(t, kind(), fmt.Sprintf("root = %q\n%s", root, more))
	return &site{t, root, env, svc, servicetest.HTTP(t, svc.(http.Handler))}
}

// update changes the options of a running service.
func (s *site) update(more string) {
	s.t.Helper()
	cfg := servicetest.MustDecode(s.t, kind(), fmt.Sprintf("root = %q\n%s", s.root, more)).Config.(images.Config)
	s.svc.(service.Updater[images.Config]).Update(cfg)
}

type answer struct {
	*http.Response
	body []byte
}

// get makes a request; headers are name and value in turn.
func (s *site) get(path string, headers ...string) answer { return s.do("GET", path, headers...) }

func (s *site) do(method, path string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.srv.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.srv.Client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{res, body}
}

// size decodes an answer.
func (a answer) size(t testing.TB) string {
	t.Helper()
	if a.StatusCode != 200 {
		t.Fatalf("%s: %s: %s", a.Request.URL, a.Status, a.body)
	}
	cfg, format, err := image.DecodeConfig(bytes.NewReader(a.body))
	if err != nil {
		t.Fatalf("%s: %v", a.Request.URL, err)
	}
	if want := "image/" + format; a.Header.Get("Content-Type") != want {
		t.Errorf("%s: Content-Type %q of a %s", a.Request.URL, a.Header.Get("Content-Type"), format)
	}
	return fmt.Sprintf("%dx%d %s", cfg.Width, cfg.Height, format)
}

func TestOriginal(t *testing.T) {
	s := serve(t, gallery(t), "")
	want, err := os.ReadFile(s.root + "/hills.jpg")
	if err != nil {
		t.Fatal(err)
	}
	a := s.get("/hills.jpg")
	etag := a.Header.Get("ETag")
	if a.StatusCode != 200 || !bytes.Equal(a.body, want) || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Fatalf("%s, %d bytes", a.Status, len(a.body))
	}
	if !strings.HasPrefix(etag, `"`) || a.Header.Get("Last-Modified") == "" || a.Header.Get("Cache-Control") != "no-cache" ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("headers: %v", a.Header)
	}
	if a := s.do("HEAD", "/hills.jpg"); a.StatusCode != 200 || a.ContentLength != int64(len(want)) || len(a.body) != 0 {
		t.Errorf("HEAD: %s, %d", a.Status, a.ContentLength)
	}
	if a := s.get("/hills.jpg", "Range", "bytes=10-19"); a.StatusCode != 206 || !bytes.Equal(a.body, want[10:20]) {
		t.Errorf("range: %s, %q", a.Status, a.body)
	}
	if a := s.get("/hills.jpg", "Range", "bytes=99999999-"); a.StatusCode != 416 {
		t.Errorf("range beyond the end: %s", a.Status)
	}
	if a := s.get("/hills.jpg", "If-None-Match", etag); a.StatusCode != 304 || a.Header.Get("ETag") != etag {
		t.Errorf("If-None-Match: %s", a.Status)
	}
	if a := s.get("/hills.jpg", "If-Modified-Since", a.Header.Get("Last-Modified")); a.StatusCode != 304 {
		t.Errorf("If-Modified-Since: %s", a.Status)
	}
	if a := s.get("/hills.jpg", "Range", "bytes=0-3", "If-Range", `"other"`); a.StatusCode != 200 {
		t.Errorf("If-Range of another version: %s", a.Status)
	}
	if a := s.do("POST", "/hills.jpg"); a.StatusCode != 405 || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s", a.Status)
	}
}

func TestPaths(t *testing.T) {
	s := serve(t, gallery(t), "")
	for path, want := range map[string]int{
		"/hills.jpg": 200, "/more/glass.png": 200, "/without-extension": 200, "/inside.jpg": 200,
		"/a,%20b%20&%20%3Cc%3E%3F%23%25.jpg": 200, "/broken.jpg": 200, "/more": 301, "/more/": 200, "/": 200, "/empty%20folder/": 200,
		"/none.jpg": 404, "/notes.txt": 404, "/page.jpg": 404, "/drawing.svg": 404, "/empty.jpg": 404, "/pipe.jpg": 404,
		"/.hidden.jpg": 404, "/.hidden/": 404, "/.hidden/in.jpg": 404, "/more/.hidden.jpg": 404,
		"/escape.jpg": 404, "/absolute.jpg": 404, "/out/": 404, "/out/secret.jpg": 404, "/loop.jpg": 404, "/dangling.jpg": 404,
		"/../outside.jpg": 404, "/more/../../outside.jpg": 404, "/more/../hills.jpg": 404, "/..%2foutside.jpg": 404, "/%2e%2e/outside.jpg": 404,
		"//hills.jpg": 404, "/more//glass.png": 404, "/./hills.jpg": 404, "/hills.jpg/": 404, "/hills.jpg/x": 404, "/hills%00.jpg": 404,
		"/broken.jpg?w=160": 422, "/notes.txt?w=160": 404, "/healthz": 200,
		"/" + strings.Repeat("x", 5000): 404,
	} {
		a := s.get(path)
		if a.StatusCode != want {
			t.Errorf("GET %.40s: %s, want %d", path, a.Status, want)
		}
		if a.StatusCode >= 400 && (a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("ETag") != "") {
			t.Errorf("GET %.40s: an error that may be kept: %v", path, a.Header)
		}
		if bytes.Contains(a.body, []byte(s.root)) {
			t.Errorf("GET %.40s tells where the folder is: %s", path, a.body)
		}
	}
	if a := s.get("/more?limit=3"); a.Header.Get("Location") != "./more/?limit=3" {
		t.Errorf("redirect to %q", a.Header.Get("Location"))
	}
	a := s.get("/none.jpg", "Accept", "application/json")
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(a.body, &e); err != nil || e.Error.Code != "not_found" || e.Error.Message == "" {
		t.Errorf("error as JSON: %s", a.body)
	}
}

func TestVersions(t *testing.T) {
	s := serve(t, gallery(t), "")
	for query, want := range map[string]string{
		"/hills.jpg?w=320":                   "320x229 jpeg",
		"/hills.jpg?w=300":                   "320x229 jpeg", // up the ladder
		"/hills.jpg?w=161":                   "320x229 jpeg",
		"/hills.jpg?w=1":                     "160x114 jpeg",
		"/hills.jpg?w=160&dpr=2":             "320x229 jpeg",
		"/hills.jpg?w=5000":                  "700x500 jpeg", // never larger
		"/hills.jpg?h=100":                   "160x114 jpeg",
		"/hills.jpg?w=640&h=200":             "320x229 jpeg",
		"/hills.jpg?w=200&h=200&fit=cover":   "320x320 jpeg",
		"/hills.jpg?w=300&h=199&fit=cover":   "320x213 jpeg", // nearest shape
		"/hills.jpg?w=200&h=100&fit=fill":    "320x160 jpeg",
		"/hills.jpg?w=2000&h=2000&fit=cover": "500x500 jpeg",
		"/hills.jpg?w=320&fmt=png":           "320x229 png",
		"/hills.jpg?fmt=png":                 "700x500 png",
		"/hills.jpg?fmt=auto&w=160":          "160x114 jpeg",
		"/more/glass.png?w=160":              "160x160 png",
		"/more/glass.png?w=160&fmt=jpeg":     "160x160 jpeg",
		"/tall.jpg?h=500&w=500":              "300x900 jpeg", // 166 wide, so 320: as it is
		"/hills.jpg?unknown=1":               "700x500 jpeg",
	} {
		if got := s.get(query).size(t); got != want {
			t.Errorf("GET %s: %s, want %s", query, got, want)
		}
	}
	same := s.get("/hills.jpg?w=300")
	if again := s.get("/hills.jpg?w=320"); !bytes.Equal(again.body, same.body) || again.Header.Get("ETag") != same.Header.Get("ETag") {
		t.Error("two addresses of one version differ")
	}
	if low := s.get("/hills.jpg?w=320&q=40"); len(low.body) >= len(same.body) {
		t.Errorf("quality 40 takes %d bytes, the usual one %d", len(low.body), len(same.body))
	}
	etag := same.Header.Get("ETag")
	if a := s.get("/hills.jpg?w=320", "If-None-Match", etag); a.StatusCode != 304 {
		t.Errorf("If-None-Match: %s", a.Status)
	}
	if a := s.get("/hills.jpg?w=320", "Range", "bytes=0-1"); a.StatusCode != 206 || string(a.body) != "\xff\xd8" {
		t.Errorf("range: %s", a.Status)
	}
	if a := s.do("HEAD", "/hills.jpg?w=320"); a.ContentLength != int64(len(same.body)) {
		t.Errorf("HEAD: %d bytes, want %d", a.ContentLength, len(same.body))
	}
	if a := s.get("/hills.jpg?w=320&fmt=auto"); a.Header.Get("Vary") != "Accept" {
		t.Errorf("fmt=auto: Vary %q", a.Header.Get("Vary"))
	}
	for _, bad := range []string{"w=0", "w=-1", "w=abc", "w=99999", "w=1e3", "h=0", "q=0", "q=101", "fit=zoom", "fmt=heic", "fmt=exe", "dpr=0", "dpr=NaN", "dpr=100"} {
		if a := s.get("/hills.jpg?" + bad); a.StatusCode != 400 {
			t.Errorf("GET ?%s: %s, want 400", bad, a.Status)
		}
	}
}

func TestChangesShowAtOnce(t *testing.T) {
	s := serve(t, gallery(t), "")
	first := s.get("/hills.jpg?w=160")
	listed := s.get("/hills.jpg").Header.Get("ETag")
	// Another picture of the same length in bytes and with the same time, by
	// way of rename, as a careful program does it.
	path := s.root + "/hills.jpg"
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := jpegOf(t, photo(700, 500, 90))
	other = append(other, make([]byte, max(0, int(fi.Size())-len(other)))...)
	write(t, path+".new", other)
	if err := os.Chtimes(path+".new", fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/hills.jpg"); !bytes.Equal(a.body, other) || a.Header.Get("ETag") == listed {
		t.Error("the old picture is delivered")
	}
	if a := s.get("/hills.jpg?w=160", "If-None-Match", first.Header.Get("ETag")); a.StatusCode != 200 || bytes.Equal(a.body, first.body) {
		t.Errorf("the old version is delivered: %s", a.Status)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/hills.jpg?w=160"); a.StatusCode != 404 {
		t.Errorf("a deleted picture: %s", a.Status)
	}
	// The folder as a whole goes and comes back.
	if err := os.Rename(s.root, s.root+".away"); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/tall.jpg"); a.StatusCode != 503 {
		t.Errorf("without the folder: %s", a.Status)
	}
	if a := s.get("/healthz"); a.StatusCode != 503 || !strings.Contains(string(a.body), "reason") {
		t.Errorf("healthz without the folder: %s %s", a.Status, a.body)
	}
	if err := os.Rename(s.root+".away", s.root); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/healthz"); a.StatusCode != 200 || strings.TrimSpace(string(a.body)) != `{"status":"ok"}` {
		t.Errorf("healthz: %s %s", a.Status, a.body)
	}
}
