package s3

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// A Target is a place for blobs: a bucket, and what its keys begin with.
type Target struct {
	Bucket   string
	Prefix   string // "" or ends with a slash
	Endpoint string // host or host:port
	Plain    bool   // http instead of https
	Region   string
}

// Parse reads s3://bucket/prefix?endpoint=https://host:port&region=name. Without
// an endpoint it is Amazon's of the region. Errors are for people.
func Parse(text string) (Target, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return Target{}, errors.New("it is no URL like s3://bucket?endpoint=https://host")
	case u.Scheme != "s3":
		return Target{}, errors.New("it does not begin with s3://")
	case u.User != nil:
		return Target{}, errors.New("keys do not stand in it; write access_key and secret_key = secret(\"name\") beside it")
	case !bucketName(u.Host):
		return Target{}, errors.New("it names no bucket: 3 to 63 lower-case letters, digits, dots and dashes follow s3://")
	case u.Fragment != "":
		return Target{}, errors.New("it has a # in it")
	}
	t := Target{Bucket: u.Host, Region: "us-east-1"}
	if t.Prefix = strings.Trim(u.Path, "/"); t.Prefix != "" {
		t.Prefix += "/"
	}
	if strings.Trim(t.Prefix, prefixLetters) != "" || strings.Contains(t.Prefix, "//") || len(t.Prefix) > 200 {
		return Target{}, errors.New("what follows the bucket has more than letters, digits, ., -, _ and single slashes, or more than 200 of them")
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Target{}, errors.New("what follows the question mark is not name=value")
	}
	endpoint := ""
	for key, all := range values {
		if len(all) != 1 {
			return Target{}, fmt.Errorf("%q stands more than once", key)
		}
		switch key {
		case "endpoint":
			endpoint = all[0]
		case "region":
			t.Region = all[0]
		default:
			return Target{}, fmt.Errorf("%q is no option of it; there are endpoint and region", key)
		}
	}
	if t.Region == "" || strings.Trim(t.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return Target{}, errors.New("the region is no name like eu-central-1")
	}
	if endpoint == "" {
		t.Endpoint = "s3." + t.Region + ".amazonaws.com"
		return t, nil
	}
	return t, t.at(endpoint)
}

const prefixLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/"

func bucketName(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

// at sets the endpoint.
func (t *Target) at(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the endpoint is no address like https://s3.example.org or http://127.0.0.1:9000")
	}
	t.Endpoint, t.Plain = u.Host, u.Scheme == "http"
	return nil
}

// Loopback reports whether the endpoint is on this machine.
func (t Target) Loopback() bool {
	host := t.Endpoint
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// String is the target as it may be shown.
func (t Target) String() string { return "s3://" + t.Bucket + "/" + t.Prefix + " at " + t.Endpoint }

// Below is the target with more before the keys.
func (t Target) Below(names ...string) Target {
	for _, name := range names {
		t.Prefix += name + "/"
	}
	return t
}
