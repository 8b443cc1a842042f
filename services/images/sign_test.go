package images_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/services/images"
)

func TestSignedAddresses(t *testing.T) {
	const key = "0123456789abcdefghij"
	s := serve(t, gallery(t), fmt.Sprintf("sign_key = %q", key))
	sign := func(u string) string {
		t.Helper()
		out, err := images.Sign(key, u, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for path, want := range map[string]string{
		"/hills.jpg?w=333":                        "333x238 jpeg",
		"/hills.jpg?w=100&h=77&fit=cover":         "100x77 jpeg",
		"/a,%20b%20&%20%3Cc%3E%3F%23%25.jpg?w=33": "33x17 jpeg",
		"/hills.jpg?fit=fill&h=7&w=700":           "700x7 jpeg",
		"/hills.jpg?w=50&dpr=1.5":                 "75x54 jpeg",
	} {
		if got := s.get(sign(path)).size(t); got != want {
			t.Errorf("GET %s, signed: %s, want %s", path, got, want)
		}
	}
	good := sign("/hills.jpg?w=333")
	for name, u := range map[string]string{
		"another size":    strings.Replace(good, "333", "334", 1),
		"another picture": strings.Replace(good, "hills", "tall", 1),
		"something added": good + "&q=100",
		"another key":     func() string { u, _ := images.Sign("another key of mine", "/hills.jpg?w=333", time.Time{}); return u }(),
		"no signature":    "/hills.jpg?w=333&sig=",
	} {
		if a := s.get(u); a.StatusCode != 403 {
			t.Errorf("%s: %s, want 403", name, a.Status)
		}
	}
	// The order does not matter, and the host is not signed.
	if u := sign("http://example.org/hills.jpg?w=333"); !strings.HasSuffix(u, strings.TrimPrefix(good, "/hills.jpg")) {
		t.Errorf("with a host: %s, without: %s", u, good)
	}
	if a := s.get("/hills.jpg?" + strings.Join(reversed(strings.Split(strings.TrimPrefix(good, "/hills.jpg?"), "&")), "&")); a.StatusCode != 200 {
		t.Errorf("in another order: %s", a.Status)
	}
	s.update("")
	if a := s.get(good); a.StatusCode != 403 {
		t.Errorf("without a key: %s, want 403", a.Status)
	}
}

// Addresses that are out there stay good while a key is replaced, and not longer
// than they say.
func TestKeysRotateAndSignaturesEnd(t *testing.T) {
	const first, second = "the first key of mine", "the second key of mine"
	s := serve(t, gallery(t), fmt.Sprintf("sign_key = %q", first))
	sign := func(key string, expires time.Time) string {
		u, err := images.Sign(key, "/hills.jpg?w=333", expires)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	want := func(what, u string, status int) answer {
		t.Helper()
		a := s.get(u)
		if a.StatusCode != status {
			t.Errorf("%s: %s, want %d", what, a.Status, status)
		}
		return a
	}
	old, fresh := sign(first, time.Time{}), sign(second, time.Time{})
	want("the key", old, 200)
	want("no key yet", fresh, 403)
	s.update(fmt.Sprintf("sign_key = %q\nold_sign_keys = [%q]", second, first))
	want("the old key", old, 200)
	want("the new key", fresh, 200)
	s.update(fmt.Sprintf("sign_key = %q", second))
	want("the old key, withdrawn", old, 403)

	soon := sign(second, time.Now().Add(time.Hour))
	want("in time", soon, 200)
	want("prolonged", strings.Replace(soon, "exp=", "exp=9", 1), 403)
	want("without its end", soon[:strings.Index(soon, "exp=")]+soon[strings.Index(soon, "sig="):], 403)
	if a := want("too late", sign(second, time.Now().Add(-time.Second)), 403); !strings.Contains(string(a.body), "expired") {
		t.Errorf("too late: %s", a.body)
	}
	// What the client keeps, it keeps no longer.
	v := s.list("/").Pictures[2].URL
	u, err := images.Sign(second, v+"&w=333", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var age int
	if _, err := fmt.Sscanf(want("with a version", u, 200).Header.Get("Cache-Control"), "public, max-age=%d, immutable", &age); err != nil || age < 3500 || age > 3600 {
		t.Errorf("kept for %d seconds, %v", age, err)
	}
}

func reversed(in []string) (out []string) {
	for _, s := range in {
		out = append([]string{s}, out...)
	}
	return out
}

// The signature that docs/images.md shows how to make with openssl.
func TestSignatureIsWhatTheDocsSay(t *testing.T) {
	got, err := images.Sign("0123456789abcdef", "/lake.jpg?w=333&h=77", time.Time{})
	if want := "/lake.jpg?h=77&sig=xeWkNji-oOX8CGSoqassjq2RfsxkVi-oJS33YsRow6M&w=333"; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
