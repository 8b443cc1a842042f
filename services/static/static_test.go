package static_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
	"github.com/porticod/portico/services/static"
)

var kind = service.KindOf(static.Type{})

func TestContract(t *testing.T) {
	root := site(t)
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Config:  fmt.Sprintf("root = %q", root),
		Changed: fmt.Sprintf("root = %q\nbrowse = true\nspa = true\nprecompressed = true", root),
		Bad: map[string]string{
			``:                                     `"root" is missing`,
			fmt.Sprintf("root = %q", root+"/none"): "cannot be read",
			fmt.Sprintf("root = %q", root+"/index.html"):                      "not a folder",
			fmt.Sprintf("root = %q\nindex = [\"a/b\"]", root):                 "cannot be an index",
			fmt.Sprintf("root = %q\nindex = \".htaccess\"", root):             "cannot be an index",
			fmt.Sprintf("root = %q\ncache_control = \"a\\r\\nX-B: c\"", root): "cannot be a header",
		},
		Paths: []string{"/", "/folder/", "/none", "/folder", "/big.bin", "/app.js"},
	})
}

// site makes a folder with one of everything.
func site(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	for name, body := range map[string]string{
		"index.html":                     "<h1>home</h1>",
		"app.js":                         "console.log(1)",
		"app.js.br":                      "brotli, believe it",
		"app.js.zst":                     "zstandard, too",
		"README":                         "read me",
		"page":                           "<script>alert(1)</script>",
		"pixel":                          "\x89PNG\r\n\x1a\n",
		"with space & <b>.txt":           "hard",
		"a:b.txt":                        "colon",
		"folder/index.html":              "<h1>folder</h1>",
		"list/b.txt":                     "bb",
		"list/a.txt":                     "a",
		"list/sub/x.txt":                 "x",
		"list/.hidden":                   "hidden",
		".env":                           "SECRET=1",
		".git/config":                    "secret",
		".well-known/security.txt":       "mailto:x",
		"folder/.well-known/secret":      "no",
		".well-known/.hidden":            "no",
		"../outside.txt":                 "outside",
		"../outside/secret.txt":          "outside",
		"real/target.txt":                "inside",
		"odd/index.html/not-a-file.html": "x",
	} {
		write(t, filepath.Join(dir, name), body)
	}
	write(t, filepath.Join(dir, "app.js.gz"), zip(t, "console.log(1)"))
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	write(t, filepath.Join(dir, "big.bin"), string(big))
	for link, to := range map[string]string{
		"escape.txt":   "../outside.txt",
		"absolute":     "/etc/passwd",
		"escapefolder": "../outside",
		"inside.txt":   "real/target.txt",
		"loop":         "loop",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t testing.TB, name, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	// All of one age, so that no compressed file is older than its original.
	past := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(name, past, past); err != nil {
		t.Fatal(err)
	}
}

func zip(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// serve starts a static service over a site and returns how to ask it.
func serve(t *testing.T, root, options string) func(method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q\n%s", root, options))
	srv := servicetest.HTTP(t, svc.(http.Handler))
	return func(method, path string, header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		res, err := srv.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return res, string(body)
	}
}

func TestFilesAndFolders(t *testing.T) {
	get := serve(t, site(t), "")
	for _, c := range []struct {
		path     string
		status   int
		body     string // "": any
		header   string // name=value, "": none
		fragment string
	}{
		{path: "/", status: 200, body: "<h1>home</h1>", header: "Content-Type=text/html; charset=utf-8"},
		{path: "/index.html", status: 200, body: "<h1>home</h1>"},
		{path: "/folder", status: 301, header: "Location=./folder/"},
		{path: "/folder?a=b&c", status: 301, header: "Location=./folder/?a=b&c"},
		{path: "/folder/", status: 200, body: "<h1>folder</h1>"},
		{path: "/list/sub", status: 301, header: "Location=./sub/"},
		{path: "/list/", status: 404},
		{path: "/odd/", status: 404},
		{path: "/app.js", status: 200, header: "Content-Type=text/javascript; charset=utf-8"},
		{path: "/app.js/", status: 404},
		{path: "/app.js/x", status: 404},
		{path: "/app.js.gz", status: 200, header: "Content-Type=application/gzip"},
		{path: "/README", status: 200, header: "Content-Type=text/plain; charset=utf-8"},
		{path: "/page", status: 200, header: "Content-Type=text/plain; charset=utf-8"},
		{path: "/pixel", status: 200, header: "Content-Type=image/png"},
		{path: "/with%20space%20&%20%3Cb%3E.txt", status: 200, body: "hard"},
		{path: "/a:b.txt", status: 200, body: "colon"},
		{path: "/inside.txt", status: 200, body: "inside"},
		{path: "/.well-known/security.txt", status: 200, body: "mailto:x"},
		{path: "//folder//", status: 301, header: "Location=/folder/"},
		{path: "//example.org/..", status: 404},
		{path: "//example.org", status: 301, header: "Location=/example.org"},
		{path: "/.well-known//security.txt", status: 301, header: "Location=/.well-known/security.txt"},
		{path: "//", status: 301, header: "Location=/"},
		// Not there for one reason or another.
		{path: "/none", status: 404},
		{path: "/.env", status: 404},
		{path: "/.git/config", status: 404},
		{path: "/folder/.well-known/secret", status: 404},
		{path: "/.well-known/.hidden", status: 404},
		{path: "/../outside.txt", status: 404},
		{path: "/%2e%2e/outside.txt", status: 404},
		{path: "/folder/../../outside.txt", status: 404},
		{path: "/..%2foutside.txt", status: 404},
		{path: "/escape.txt", status: 404},
		{path: "/escapefolder/secret.txt", status: 404},
		{path: "/escapefolder", status: 404},
		{path: "/absolute", status: 404},
		{path: "/loop", status: 404},
		{path: "/pipe", status: 404},
		{path: "/a%00b", status: 404},
		{path: "/" + strings.Repeat("x", 300), status: 404},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res, body := get(method, c.path)
			if res.StatusCode != c.status {
				t.Errorf("%s %.60s: %s instead of %d", method, c.path, res.Status, c.status)
			}
			if method == "GET" && c.body != "" && body != c.body {
				t.Errorf("%s %s: %q", method, c.path, body)
			}
			if name, want, ok := strings.Cut(c.header, "="); ok && res.Header.Get(name) != want {
				t.Errorf("%s %s: %s: %q instead of %q", method, c.path, name, res.Header.Get(name), want)
			}
			if res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: without nosniff", method, c.path)
			}
			if strings.Contains(body, "outside") || strings.Contains(body, "SECRET") {
				t.Errorf("%s %s: shows %q", method, c.path, body)
			}
		}
	}
}

func TestOnlyReading(t *testing.T) {
	get := serve(t, site(t), "")
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"} {
		if res, _ := get(method, "/"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s, Allow %q", method, res.Status, res.Header.Get("Allow"))
		}
	}
}

func TestConditionalAndRanges(t *testing.T) {
	root := site(t)
	get := serve(t, root, `cache_control = "max-age=60"`)
	first, whole := get("GET", "/big.bin")
	tag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
	if !strings.HasPrefix(tag, `"`) || modified != "Fri, 02 Jan 2026 03:04:05 GMT" || first.Header.Get("Cache-Control") != "max-age=60" {
		t.Fatalf("validators: %v", first.Header)
	}
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"same tag", []string{"If-None-Match", tag}, 304, ""},
		{"other tag", []string{"If-None-Match", `"x"`}, 200, whole},
		{"not modified", []string{"If-Modified-Since", modified}, 304, ""},
		{"lost update", []string{"If-Match", `"x"`}, 412, ""},
		{"range", []string{"Range", "bytes=16-31"}, 206, whole[16:32]},
		{"suffix", []string{"Range", "bytes=-5"}, 206, whole[len(whole)-5:]},
		{"resumed", []string{"Range", "bytes=1048570-", "If-Range", tag}, 206, whole[1048570:]},
		{"resumed, changed", []string{"Range", "bytes=1048570-", "If-Range", `"x"`}, 200, whole},
		{"beyond", []string{"Range", "bytes=9999999-"}, 416, "invalid range: failed to overlap\n"},
	} {
		res, body := get("GET", "/big.bin", c.header...)
		if res.StatusCode != c.status || body != c.body {
			t.Errorf("%s: %s, %d bytes %.20q", c.name, res.Status, len(body), body)
		}
	}
	if res, _ := get("GET", "/big.bin", "Range", "bytes=0-1,4-5"); res.StatusCode != 206 || !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %s %v", res.Status, res.Header)
	}
	// The same size a nanosecond later is another file.
	past := time.Date(2026, 1, 2, 3, 4, 5, 1, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "big.bin"), past, past); err != nil {
		t.Fatal(err)
	}
	if res, _ := get("HEAD", "/big.bin"); res.Header.Get("ETag") == tag {
		t.Error("the ETag did not change with the file")
	}
}

func TestPrecompressed(t *testing.T) {
	root := site(t)
	get := serve(t, root, `precompressed = true`)
	tags := map[string]string{}
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":         "br",
		"gzip":                            "gzip",
		"zstd, gzip":                      "zstd",
		"br;q=0.5, gzip;q=0.9":            "gzip",
		"br;q=0, *":                       "zstd",
		"*;q=0":                           "",
		"identity":                        "",
		"":                                "",
		"br;q=nonsense, GZIP":             "gzip",
		"gzip;q=2":                        "",
		strings.Repeat("x,", 500) + "br":  "br",
		strings.Repeat("br;q=0,", 1) + "": "",
	} {
		res, body := get("GET", "/app.js", "Accept-Encoding", accept)
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%.30q: %q instead of %q", accept, got, want)
			continue
		}
		if ct := res.Header.Get("Content-Type"); ct != "text/javascript; charset=utf-8" {
			t.Errorf("%.30q: Content-Type %q", accept, ct)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%.30q: Vary %q", accept, res.Header.Get("Vary"))
		}
		if res.ContentLength != int64(len(body)) {
			t.Errorf("%.30q: Content-Length %d of %d", accept, res.ContentLength, len(body))
		}
		tag := res.Header.Get("ETag")
		if other, ok := tags[tag]; ok && other != want {
			t.Errorf("%q and %q share the ETag %s", want, other, tag)
		}
		tags[tag] = want
		again, _ := get("GET", "/app.js", "Accept-Encoding", accept, "If-None-Match", tag)
		if again.StatusCode != 304 {
			t.Errorf("%.30q: revalidated with %s", accept, again.Status)
		}
		refused, text := get("GET", "/app.js", "Accept-Encoding", accept, "If-Match", `"x"`)
		if refused.StatusCode != 412 || text != "" {
			t.Errorf("%.30q: If-Match: %s %q", accept, refused.Status, text)
		}
		part, piece := get("GET", "/app.js", "Accept-Encoding", accept, "Range", "bytes=2-4")
		if part.StatusCode != 206 || piece != body[2:5] {
			t.Errorf("%.30q: a range of it: %s %q", accept, part.Status, piece)
		}
	}
	// A compressed file that is older than its original shows something else.
	now := time.Now()
	if err := os.Chtimes(filepath.Join(root, "app.js"), now, now); err != nil {
		t.Fatal(err)
	}
	if res, body := get("GET", "/app.js", "Accept-Encoding", "br"); res.Header.Get("Content-Encoding") != "" || body != "console.log(1)" {
		t.Errorf("an older compressed file was sent: %v %q", res.Header, body)
	}
	off := serve(t, root, "")
	if res, _ := off("GET", "/app.js", "Accept-Encoding", "br"); res.Header.Get("Content-Encoding") != "" || res.Header.Get("Vary") != "" {
		t.Errorf("compressed without being asked to: %v", res.Header)
	}
}

func TestSinglePageApplication(t *testing.T) {
	root := site(t)
	second := serve(t, root, `
spa   = true
index = ["none.html", "list", "index.html"]`)
	if res, body := second("GET", "/users/7"); res.StatusCode != 200 || body != "<h1>home</h1>" {
		t.Errorf("with the last of three names of an index: %s %q", res.Status, body)
	}
	get := serve(t, root, `spa = true`)
	for path, want := range map[string]string{
		"/users/7":   "200 <h1>home</h1>",
		"/users/7/":  "200 <h1>home</h1>",
		"/list/":     "200 <h1>home</h1>",
		"/README":    "200 read me",
		"/gone.js":   "404 there is nothing at this address\n",
		"/x/y.png":   "404 there is nothing at this address\n",
		"/.env":      "404 there is nothing at this address\n",
		"/escape.md": "404 there is nothing at this address\n",
	} {
		if res, body := get("GET", path); fmt.Sprintf("%d %s", res.StatusCode, body) != want {
			t.Errorf("%s: %s %q", path, res.Status, body)
		}
	}
}

func TestOwnPageForWhatIsNotThere(t *testing.T) {
	root := site(t)
	write(t, filepath.Join(root, "404.html"), "<h1>lost?</h1>")
	get := serve(t, root, "")
	res, body := get("GET", "/none")
	if res.StatusCode != 404 || body != "<h1>lost?</h1>" || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%s %q %v", res.Status, body, res.Header)
	}
	if res, body := get("HEAD", "/none"); res.StatusCode != 404 || body != "" || res.ContentLength != 14 {
		t.Errorf("HEAD: %s %q %d", res.Status, body, res.ContentLength)
	}
}

func TestBrowse(t *testing.T) {
	get := serve(t, site(t), `browse = true`)
	res, body := get("GET", "/list/", "Accept", "application/json")
	var list struct {
		Path    string
		Entries []struct {
			Name     string
			Folder   bool
			Size     int64
			Modified time.Time
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	got := ""
	for _, e := range list.Entries {
		got += fmt.Sprintf("%s %v %d;", e.Name, e.Folder, e.Size)
	}
	if list.Path != "/list/" || got != "sub true 0;a.txt false 1;b.txt false 2;" || res.Header.Get("Vary") != "Accept" {
		t.Errorf("%s %s %v", list.Path, got, res.Header)
	}
	res, body = get("GET", "/list/")
	if res.StatusCode != 200 || !strings.Contains(body, `<a href="./a.txt">a.txt</a>`) || !strings.Contains(body, `href="../"`) {
		t.Errorf("%s\n%s", res.Status, body)
	}
	if head, none := get("HEAD", "/list/"); head.ContentLength != int64(len(body)) || none != "" {
		t.Errorf("HEAD: %d of %d", head.ContentLength, len(body))
	}
}

func TestBrowseShowsWhatCanBeHad(t *testing.T) {
	root := site(t)
	if err := os.Remove(filepath.Join(root, "index.html")); err != nil {
		t.Fatal(err)
	}
	get := serve(t, root, `browse = true`)
	_, body := get("GET", "/")
	for _, want := range []string{"with%20space%20&amp;%20%3Cb%3E.txt", "with space &amp; &lt;b&gt;.txt", "./a:b.txt", "inside.txt"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	for _, never := range []string{"escape", "absolute", ".env", ".git", "pipe", "loop", "<b>"} {
		if strings.Contains(body, never) {
			t.Errorf("the list shows %q:\n%s", never, body)
		}
	}
}

// A deployment moves a link; the next request sees the new folder.
func TestRootThatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/v1/index.html", "one")
	write(t, dir+"/v2/index.html", "two")
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(to, dir+"/next"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/next", dir+"/current"); err != nil {
			t.Fatal(err)
		}
	}
	link("v1")
	get := serve(t, dir+"/current", "")
	if _, body := get("GET", "/"); body != "one" {
		t.Errorf("%q", body)
	}
	link("v2")
	if _, body := get("GET", "/"); body != "two" {
		t.Errorf("after the move: %q", body)
	}
	if err := os.Remove(dir + "/current"); err != nil {
		t.Fatal(err)
	}
	if res, _ := get("GET", "/"); res.StatusCode != 503 {
		t.Errorf("without a root: %s", res.Status)
	}
}

func TestReadiness(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	write(t, dir+"/index.html", "x")
	svc, _ := servicetest.Open(t, kind, fmt.Sprintf("root = %q", dir))
	if err := svc.(service.Checker).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := svc.(service.Checker).Check(t.Context()); err == nil {
		t.Error("ready without a root")
	}
}
