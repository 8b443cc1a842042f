package params_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/porticod/portico/services/photos/params"
)

const (
	form      = "application/x-www-form-urlencoded"
	boundary  = "XX"
	multi     = "multipart/form-data; boundary=" + boundary
	jsonTyped = "application/json; charset=utf-8"
)

func read(t *testing.T, query, typ, body string) (*params.Values, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/?"+query, strings.NewReader(body))
	if typ != "" {
		r.Header.Set("Content-Type", typ)
	}
	return params.Read(httptest.NewRecorder(), r, 1<<20, nil)
}

// multipartOf writes name=value pairs as a multipart body.
func multipartOf(t *testing.T, pairs ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		if err := w.WriteField(p[0], p[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOneMeaning says the same in every way that clients use.
func TestOneMeaning(t *testing.T) {
	pairs := [][2]string{
		{"status", "hi & bye"}, {"media_ids[]", "11"}, {"media_ids[]", "12"},
		{"sensitive", "False"}, {"source[privacy]", "private"}, {"status", "second"},
	}
	var urlencoded []string
	for _, p := range pairs {
		urlencoded = append(urlencoded, strings.NewReplacer("[", "%5B", "]", "%5D").Replace(p[0])+"="+strings.NewReplacer(" ", "+", "&", "%26").Replace(p[1]))
	}
	asForm := strings.Join(urlencoded, "&")
	cases := map[string][3]string{ // query, type, body
		"query":      {asForm, "", ""},
		"urlencoded": {"", form, asForm},
		"numbered":   {"", form, "media_ids[1]=12&media_ids[0]=11&status=hi+%26+bye&sensitive=OFF&source[privacy]=private"},
		"multipart":  {"", multi, multipartOf(t, pairs...)},
		"json":       {"", jsonTyped, `{"status":"hi & bye","media_ids":[11,"12"],"sensitive":false,"source":{"privacy":"private"},"poll":null}`},
		"body wins":  {"status=query&media_ids[]=99", form, asForm},
		"json wins":  {"status=query&media_ids[]=99", jsonTyped, `{"status":"hi & bye","media_ids":[11,12],"sensitive":0,"source":{"privacy":"private"}}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v, err := read(t, c[0], c[1], c[2])
			if err != nil {
				t.Fatal(err)
			}
			if got := v.String("status"); got != "hi & bye" {
				t.Errorf("status = %q", got)
			}
			if got := v.Strings("media_ids"); !slices.Equal(got, []string{"11", "12"}) {
				t.Errorf("media_ids = %q", got)
			}
			if v.Bool(true, "sensitive") {
				t.Error("sensitive is true")
			}
			if got := v.String("source", "privacy"); got != "private" {
				t.Errorf("source[privacy] = %q", got)
			}
			if v.Has("poll") || v.Has("source", "language") {
				t.Error("something is there that was not sent")
			}
		})
	}
}

func TestScalars(t *testing.T) {
	v, err := read(t, "n=42&huge=9223372036854775808&x=&yes=on&one=7&bad=%ff", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := v.Int("n"); n != 42 || !ok {
		t.Errorf("n = %d, %v", n, ok)
	}
	if _, ok := v.Int("huge"); ok {
		t.Error("a number beyond 63 bits was read")
	}
	if !v.Has("x") || !v.Bool(true, "x") || v.Bool(false, "x") {
		t.Error("an empty value is not there, or not the default")
	}
	if !v.Bool(false, "yes") {
		t.Error("on is false")
	}
	if got := v.Strings("one"); !slices.Equal(got, []string{"7"}) {
		t.Errorf("a scalar as a list = %q", got)
	}
	if got := v.String("bad"); got != "\uFFFD" {
		t.Errorf("broken UTF-8 = %q", got)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, params.MaxDepth+1) + "1" + strings.Repeat("}", params.MaxDepth+1)
	many := strings.Repeat("a[]=1&", params.MaxValues+1)
	cases := map[string]struct {
		typ, body string
		want      error
	}{
		"deep json":      {jsonTyped, deep, params.ErrMalformed},
		"deep form":      {form, "a" + strings.Repeat("[b]", params.MaxDepth) + "=1", params.ErrMalformed},
		"many":           {form, many, params.ErrMalformed},
		"broken json":    {jsonTyped, `{"a":`, params.ErrMalformed},
		"json list":      {jsonTyped, `[1]`, params.ErrMalformed},
		"json twice":     {jsonTyped, `{} {}`, params.ErrMalformed},
		"broken form":    {form, "a=%zz", params.ErrMalformed},
		"broken parts":   {multi, "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx", params.ErrMalformed},
		"untyped":        {"", "a=1", params.ErrType},
		"other type":     {"text/plain", "a=1", params.ErrType},
		"bad type":       {"a b;;", "a=1", params.ErrType},
		"large form":     {form, "a=" + strings.Repeat("x", params.MaxText), params.ErrTooLarge},
		"large json":     {jsonTyped, `{"a":"` + strings.Repeat("x", params.MaxText) + `"}`, params.ErrTooLarge},
		"long name":      {form, strings.Repeat("n", 300) + "=1", params.ErrMalformed},
		"large and raw":  {"", strings.Repeat("x", params.MaxText+1), params.ErrTooLarge},
		"large in parts": {multi, multipartOf(t, [2]string{"a", strings.Repeat("x", params.MaxText)}), params.ErrTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := read(t, "", c.typ, c.body); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestEmptyBodyNeedsNoType(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/?a=1", io.NopCloser(strings.NewReader("")))
	r.ContentLength = -1
	v, err := params.Read(httptest.NewRecorder(), r, 10, nil)
	if err != nil || v.String("a") != "1" {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestFiles(t *testing.T) {
	body := "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.jpg\"\r\n\r\nmeow\r\n" +
		"--XX\r\nContent-Disposition: form-data; name=\"thumb\"\r\nContent-Type: image/png\r\n\r\npng\r\n" +
		"--XX\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\na cat\r\n--XX--\r\n"
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", multi)
		return r
	}
	var got []string
	v, err := params.Read(httptest.NewRecorder(), request(), 1000, func(name, filename string, r io.Reader) error {
		raw, err := io.ReadAll(r)
		got = append(got, fmt.Sprintf("%s %s %s", name, filename, raw))
		return err
	})
	if err != nil || v.String("description") != "a cat" {
		t.Fatalf("got %v, %v", v, err)
	}
	if want := []string{"file cat.jpg meow", "thumb  png"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}

	boom := errors.New("boom")
	if _, err = params.Read(httptest.NewRecorder(), request(), 1000, func(string, string, io.Reader) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("the error of the file function: got %v", err)
	}
	if _, err = params.Read(httptest.NewRecorder(), request(), 20, func(string, string, io.Reader) error { return nil }); !errors.Is(err, params.ErrTooLarge) {
		t.Errorf("beyond the limit: got %v", err)
	}
	if v, err = params.Read(httptest.NewRecorder(), request(), 0, nil); err != nil || v.Has("file") || v.String("description") != "a cat" {
		t.Errorf("files not wanted: got %v, %v", v, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a=1&b[]=2", form, "x[0]=1&x[1]=2&y[a][b]=3")
	f.Add("", jsonTyped, `{"a":[1,{"b":null}],"c":{"d":true}}`)
	f.Add("", multi, "--XX\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n1\r\n--XX--\r\n")
	f.Add("a[][x]=1&a[][y]=2", "", "")
	f.Fuzz(func(t *testing.T, query, typ, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", typ)
		v, err := params.Read(httptest.NewRecorder(), r, 1<<20, func(_, _ string, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		if err != nil {
			if v != nil {
				t.Fatal("values beside an error")
			}
			return
		}
		total := 0
		for _, name := range v.Names() {
			total += len(v.Strings(name))
			v.Bool(false, name)
			v.Int(name)
		}
		if total > params.MaxValues {
			t.Fatalf("%d values", total)
		}
	})
}
