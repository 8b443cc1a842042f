package images

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/settings"
)

// Sign returns the address rawURL with a signature that allows the size it asks
// for, however unusual. Only path and query are signed, and the query's
// parameters may change places; those that are added or changed afterwards make
// it invalid. From expires on, unless that is zero, the address is refused.
func Sign(key, rawURL string, expires time.Time) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("sign address: %w", err)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", fmt.Errorf("sign address: %w", err)
	}
	if key == "" {
		return "", errors.New("sign address: the key is empty")
	}
	if name, _, ok := split(u.Path); !ok || name == "." {
		return "", fmt.Errorf("sign address: %q is no path of a picture; give one such as /lake.jpg?w=333", u.Path)
	}
	if _, err := parseWish(q); err != nil {
		return "", fmt.Errorf("sign address: %w", err)
	}
	if !expires.IsZero() {
		q.Set("exp", strconv.FormatInt(expires.Unix(), 10))
	}
	q.Set("sig", signature(key, u.Path, q))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Sign implements service.Signer: with the key in force.
func (Type) Sign(cfg Config, address string, expires time.Time) (string, error) {
	if cfg.SignKey == "" {
		return "", errors.New("sign_key is not set")
	}
	return Sign(cfg.SignKey.Reveal(), address, expires)
}

// signature is HMAC-SHA256 of the decoded path, a question mark and the query
// sorted and encoded without sig, in base64url without padding.
func signature(key, path string, q url.Values) string {
	rest := url.Values{}
	for k, v := range q {
		if k != "sig" {
			rest[k] = v
		}
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(path + "?" + rest.Encode()))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// checkSignature reports whether a request is signed: with the key, or with one
// of those that are on their way out. until is when the signature ends, zero if
// it does not.
func checkSignature(cfg *Config, path string, q url.Values, now time.Time) (signed bool, until time.Time, err error) {
	if !q.Has("sig") {
		return false, time.Time{}, nil
	}
	if cfg.SignKey == "" {
		return false, time.Time{}, forbidden("signed addresses are off here: sign_key is not set")
	}
	sig := []byte(q.Get("sig"))
	good := func(k settings.Secret) bool { return hmac.Equal(sig, []byte(signature(k.Reveal(), path, q))) }
	if !good(cfg.SignKey) && !slices.ContainsFunc(cfg.OldSignKeys, good) {
		return false, time.Time{}, forbidden("the signature does not fit the address")
	}
	if !q.Has("exp") {
		return true, time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(q.Get("exp"), 10, 64)
	if err != nil || seconds < 0 {
		return false, time.Time{}, badRequest("exp must be a time in Unix seconds")
	}
	until = time.Unix(seconds, 0)
	if !now.Before(until) {
		return false, time.Time{}, &failure{status: 403, code: "expired", text: "the signature has expired"}
	}
	return true, until, nil
}
