package s3_test

import (
	"testing"

	"github.com/porticod/portico/pkg/blob/s3"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]s3.Target{
		"s3://bucket": {Bucket: "bucket", Endpoint: "s3.us-east-1.amazonaws.com", Region: "us-east-1"},
		"s3://my.bucket-1/a/b/?region=eu-central-1":                       {Bucket: "my.bucket-1", Prefix: "a/b/", Endpoint: "s3.eu-central-1.amazonaws.com", Region: "eu-central-1"},
		"s3://bucket?endpoint=http://127.0.0.1:9000":                      {Bucket: "bucket", Endpoint: "127.0.0.1:9000", Plain: true, Region: "us-east-1"},
		"s3://bucket/?endpoint=https%3A%2F%2Fs3.example.org/&region=home": {Bucket: "bucket", Endpoint: "s3.example.org", Region: "home"},
	} {
		if got, err := s3.Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	at, err := s3.Parse("s3://bucket/a?endpoint=https://s3.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if got := at.Below("chat", "lobby").String(); got != "s3://bucket/a/chat/lobby/ at s3.example.org" {
		t.Errorf("shown as %s", got)
	}
}

func TestParseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "it does not begin with s3://",
		"https://bucket":                         "it does not begin with s3://",
		"s3://%zz":                               "it is no URL like s3://bucket?endpoint=https://host",
		"s3://":                                  "it names no bucket: 3 to 63 lower-case letters, digits, dots and dashes follow s3://",
		"s3://Bucket":                            "it names no bucket: 3 to 63 lower-case letters, digits, dots and dashes follow s3://",
		"s3://key:secret@bucket":                 `keys do not stand in it; write access_key and secret_key = secret("name") beside it`,
		"s3://bucket#x":                          "it has a # in it",
		"s3://bucket/a//b":                       "what follows the bucket has more than letters, digits, ., -, _ and single slashes, or more than 200 of them",
		"s3://bucket/a b":                        "what follows the bucket has more than letters, digits, ., -, _ and single slashes, or more than 200 of them",
		"s3://bucket?%zz":                        "what follows the question mark is not name=value",
		"s3://bucket?x=1":                        `"x" is no option of it; there are endpoint and region`,
		"s3://bucket?region=a&region=":           `"region" stands more than once`,
		"s3://bucket?region=":                    "the region is no name like eu-central-1",
		"s3://bucket?endpoint=minio":             "the endpoint is no address like https://s3.example.org or http://127.0.0.1:9000",
		"s3://bucket?endpoint=https://u:p@minio": "the endpoint is no address like https://s3.example.org or http://127.0.0.1:9000",
		"s3://bucket?endpoint=https://minio/a":   "the endpoint is no address like https://s3.example.org or http://127.0.0.1:9000",
	} {
		if _, err := s3.Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "s3://bucket", "s3://bucket/a/b?endpoint=https://host:1&region=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s3.Parse(text)
		if err == nil && (got.Bucket == "" || got.Endpoint == "" || got.Region == "") {
			t.Errorf("%q: %+v", text, got)
		}
	})
}
