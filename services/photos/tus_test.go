package photos_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tusClient speaks tus 1.0 as its protocol has it.
type tusClient struct {
	*site
	token string
}

const uploadsPath = "/api/portico/v1/uploads"

func (c tusClient) do(method, path string, body []byte, headers ...string) reply {
	c.t.Helper()
	headers = append(headers, "Tus-Resumable", "1.0.0", "Authorization", "Bearer "+c.token)
	if body != nil {
		headers = append(headers, "Content-Type", "application/offset+octet-stream")
		return c.send(method, path, bytes.NewReader(body), headers...)
	}
	return c.send(method, path, nil, headers...)
}

func (c tusClient) create(length int, headers ...string) string {
	c.t.Helper()
	r := c.do("POST", uploadsPath, nil, append(headers, "Upload-Length", strconv.Itoa(length))...).is(201)
	if r.Header.Get("Upload-Offset") != "0" || r.Header.Get("Upload-Expires") == "" {
		c.t.Errorf("created: %v", r.Header)
	}
	return r.Header.Get("Location")
}

func (c tusClient) patch(url string, offset int, part []byte, headers ...string) reply {
	c.t.Helper()
	return c.do("PATCH", url, part, append(headers, "Upload-Offset", strconv.Itoa(offset))...)
}

func (c tusClient) offset(url string) int {
	c.t.Helper()
	r := c.do("HEAD", url, nil).is(200)
	n, err := strconv.Atoi(r.Header.Get("Upload-Offset"))
	if err != nil || !strings.Contains(r.Header.Get("Cache-Control"), "no-store") {
		c.t.Errorf("HEAD: %v", r.Header)
	}
	return n
}

func metadata(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

func TestTus(t *testing.T) {
	s := open(t, `max_upload = "64KiB"`)
	c := tusClient{s, s.signUp("ann")}
	r := s.send("OPTIONS", uploadsPath, nil).is(204)
	for name, want := range map[string]string{
		"Tus-Version": "1.0.0", "Tus-Max-Size": "65536", "Tus-Checksum-Algorithm": "sha1,sha256",
		"Tus-Extension": "creation,creation-with-upload,checksum,termination,expiration", "Access-Control-Allow-Origin": "*",
	} {
		if r.Header.Get(name) != want {
			t.Errorf("%s: %q instead of %q", name, r.Header.Get(name), want)
		}
	}

	file := jpegOf(300, 200)
	url := c.create(len(file), "Upload-Metadata", metadata("filename", "a.jpg", "description", "a lake", "focus", "0.5,-0.5"))
	if got := c.offset(url); got != 0 {
		t.Errorf("offset %d at the beginning", got)
	}
	half := len(file) / 2
	if r := c.patch(url, 0, file[:half]).is(204); r.Header.Get("Upload-Offset") != strconv.Itoa(half) || r.Header.Get("Portico-Media-Id") != "" {
		t.Errorf("after a half: %v", r.Header)
	}
	c.patch(url, 0, file).is(409) // not where it is
	c.patch(url, half, append(file[half:len(file):len(file)], 0)).is(413)
	sum := sha256.Sum256(file[half:])
	c.patch(url, half, file[half:], "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(make([]byte, 32))).is(460)
	c.patch(url, half, file[half:], "Upload-Checksum", "md5 AAAA").is(400)
	if got := c.offset(url); got != half {
		t.Errorf("offset %d after a wrong checksum", got)
	}
	if !hasBlob(t, s.env.Dir, file[:half]) {
		t.Error("the first part is not in the blob store")
	}
	r = c.patch(url, half, file[half:], "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum[:])).is(204)
	id := r.Header.Get("Portico-Media-Id")
	var m media
	s.get("/api/v1/media/"+id, c.token).is(200).into(&m)
	if m.Description == nil || *m.Description != "a lake" || m.Meta.Focus.Y != -.5 || m.Meta.Original.Size != "300x200" {
		t.Errorf("made of it: %+v", m)
	}
	if r := c.do("HEAD", url, nil).is(200); r.Header.Get("Portico-Media-Id") != id {
		t.Errorf("afterwards: %v", r.Header)
	}
	if hasBlob(t, s.env.Dir, file[:half]) || hasBlob(t, s.env.Dir, file[half:]) {
		t.Error("parts of a whole upload are left")
	}
	whole := c.do("POST", uploadsPath, file, "Upload-Length", strconv.Itoa(len(file))).is(201)
	if whole.Header.Get("Portico-Media-Id") == "" || whole.Header.Get("Upload-Offset") != strconv.Itoa(len(file)) {
		t.Errorf("created with all: %v", whole.Header)
	}
	c.do("DELETE", url, nil).is(204)
	c.do("HEAD", url, nil).is(404)
	s.get("/api/v1/media/"+id, c.token).is(200) // what it became stays
}

// hasBlob tells whether the service in dir keeps some bytes.
func hasBlob(t *testing.T, dir string, content []byte) bool {
	t.Helper()
	_, err := os.Stat(blobPath(dir, content))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func blobPath(dir string, content []byte) string {
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	return filepath.Join(dir, "blobs", name[:2], name[2:4], name)
}

func TestTusRefuses(t *testing.T) {
	s := open(t, `
		max_upload = "64KiB"
		quota      = "100KiB"`)
	c := tusClient{s, s.signUp("ann")}
	other := tusClient{s, s.signUp("eve")}
	url := c.create(60 << 10)
	for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
		other.do(method, url, nil, "Upload-Offset", "0").is(404)
	}
	s.send("HEAD", url, nil, "Authorization", "Bearer "+c.token).is(412)
	s.send("HEAD", url, nil, "Tus-Resumable", "1.0.0").is(401)
	c.do("POST", uploadsPath, nil, "Upload-Length", strconv.Itoa(50<<10)).is(422) // with the other beyond the quota
	for length, status := range map[string]int{"": 400, "0": 400, "-1": 400, "x": 400, "70000": 413} {
		other.do("POST", uploadsPath, nil, "Upload-Length", length).is(status)
	}
	for _, meta := range []string{"filename !", "a YQ==,a YQ==", "a YQ==,,b YQ==", "focus " + base64.StdEncoding.EncodeToString([]byte("2,2")), "x " + strings.Repeat("A", 5000)} {
		if r := other.do("POST", uploadsPath, nil, "Upload-Length", "10", "Upload-Metadata", meta); r.StatusCode/100 != 4 {
			t.Errorf("metadata %.20q: %s", meta, r.Status)
		}
	}
	s.send("PATCH", url, strings.NewReader("x"), "Tus-Resumable", "1.0.0", "Authorization", "Bearer "+c.token, "Upload-Offset", "0").is(415)
	c.do("GET", url, nil).is(405)
	c.do("PATCH", uploadsPath, nil).is(405)

	// What is no picture is said at the end, and is gone.
	bad := other.create(9)
	other.patch(bad, 0, []byte("not a pic")).is(422)
	other.do("HEAD", bad, nil).is(404)
	for range 32 {
		other.create(1000)
	}
	if r := other.do("POST", uploadsPath, nil, "Upload-Length", "1000").is(422); !strings.Contains(r.body, "at most 32") {
		t.Error(r.body)
	}
}

// TestTusOverride: where only GET and POST pass, POST says what it means.
func TestTusOverride(t *testing.T) {
	s := open(t, "")
	c := tusClient{s, s.signUp("ann")}
	url := c.create(len(small))
	r := c.do("POST", url, small, "X-HTTP-Method-Override", "PATCH", "Upload-Offset", "0").is(204)
	if r.Header.Get("Portico-Media-Id") == "" {
		t.Errorf("%v", r.Header)
	}
	r = s.send(http.MethodOptions, uploadsPath, nil, "Origin", "https://app.example", "Access-Control-Request-Method", "PATCH").is(204)
	if !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Portico-Media-Id") || !strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), "PATCH") {
		t.Errorf("preflight: %v", r.Header)
	}
}

// TestTusRestart: an upload goes on in the next process, and one whose bytes all
// arrived becomes a picture when somebody asks.
func TestTusRestart(t *testing.T) {
	k, people := kind(t)
	dir := filepath.Join(t.TempDir(), "photos")
	s, stop := start(t, k, people, dir)
	c := tusClient{s, s.signUp("ann")}
	file := jpegOf(400, 300)
	path := strings.TrimPrefix(c.create(len(file)), s.URL)
	c.patch(path, 0, file[:1000]).is(204)
	stop()
	old := filepath.Join(dir, "uploads") // of an older version, which kept files
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	s, stop = start(t, k, people, dir)
	defer stop()
	c.site = s
	if got := c.offset(path); got != 1000 {
		t.Fatalf("offset %d after a restart", got)
	}
	r := c.patch(path, 1000, file[1000:]).is(204)
	var m media
	s.get("/api/v1/media/"+r.Header.Get("Portico-Media-Id"), c.token).is(200).into(&m)
	if m.Meta.Original.Size != "400x300" {
		t.Errorf("%+v", m)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old folder: %v", err)
	}
}

// TestTusLost: what somebody tidied away is not made up of zeros.
func TestTusLost(t *testing.T) {
	k, people := kind(t)
	dir := filepath.Join(t.TempDir(), "photos")
	s, stop := start(t, k, people, dir)
	defer stop()
	c := tusClient{s, s.signUp("ann")}
	file := jpegOf(400, 300)
	path := strings.TrimPrefix(c.create(len(file)), s.URL)
	c.patch(path, 0, file[:1000]).is(204)
	if err := os.Remove(blobPath(dir, file[:1000])); err != nil {
		t.Fatal(err)
	}
	c.patch(path, 1000, file[1000:]).is(410)
}
