package cli_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	gallery = "service \"images\" \"gallery\" {\n  root = \".\"\n  sign_key = \"0123456789abcdef\"\n}\n" +
		"listener \"web\" {\n  address = \"127.0.0.1:0\"\n  service = service.images.gallery\n}\n"
	second = "service \"images\" \"other\" {\n  root = \".\"\n}\n"
)

func TestSign(t *testing.T) {
	dir := scene(t, "config.hcl", gallery, "two.hcl", gallery+second, "none.hcl", hello)
	var b strings.Builder
	for _, args := range [][]string{
		{"sign", "/lake.jpg?w=333&h=77", "https://example.org/a%20b.jpg?w=1"},
		{"sign", "lake.jpg?w=333"},
		{"sign", "/lake.jpg?w=none"},
		{"sign", "/.hidden.jpg?w=333"},
		{"sign", "--expires", "-1h", "/lake.jpg"},
		{"sign"},
		{"sign", "-c", "two.hcl", "/lake.jpg?w=333"},
		{"sign", "-c", "two.hcl", "--service", "images.galery", "/lake.jpg?w=333"},
		{"sign", "-c", "two.hcl", "--service", "service.images.gallery", "/lake.jpg?w=333"},
		{"sign", "-c", "two.hcl", "--service", "images.other", "/lake.jpg?w=333"},
		{"sign", "-c", "none.hcl", "/lake.jpg?w=333"},
		{"__complete", "sign", "-c", "two.hcl", "--service", ""},
	} {
		b.WriteString(transcript(dir, "", args...))
	}
	matches(t, "sign", b.String())
	if strings.Contains(b.String(), "0123456789abcdef") {
		t.Error("the key is shown")
	}
}

func TestSignExpires(t *testing.T) {
	scene(t, "config.hcl", gallery)
	status, stdout, stderr := portico("", "sign", "--expires", "1h", "/lake.jpg?w=333")
	u, err := url.Parse(strings.TrimSpace(stdout))
	if status != 0 || err != nil {
		t.Fatal(status, stderr, err)
	}
	exp, err := strconv.ParseInt(u.Query().Get("exp"), 10, 64)
	if left := time.Until(time.Unix(exp, 0)); err != nil || left < 59*time.Minute || left > time.Hour {
		t.Errorf("%s ends in %v", stdout, left)
	}
}
