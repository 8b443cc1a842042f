package photos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// baseOf is scheme and host of every URL in an answer to r: public_url, else
// what the client used. The front door leaves forwarded headers only where they
// come from a trusted proxy.
func baseOf(publicURL string, r *http.Request) string {
	if publicURL != "" {
		return strings.TrimSuffix(publicURL, "/")
	}
	scheme, host := "http", r.Host
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	if h := r.Header.Get("X-Forwarded-Host"); h != "" {
		host = h
	}
	u := url.URL{Scheme: scheme, Host: host} // escapes what a Host may not have
	return u.String()
}

// URLs of pictures that are not for everybody name the viewer, the session that
// asked and the day: they are the same for that session all day, so that
// browsers can keep what they got, and they die with the session.
const (
	signatureLife = 14 // days
	dayLength     = 24 * time.Hour
)

// signer signs and checks URLs of pictures.
type signer struct {
	key []byte // 32 random bytes
	now func() time.Time
}

// sign returns the query of the URL at path for a viewer.
func (s signer) sign(path string, v viewer) string {
	day := strconv.FormatInt(s.now().Unix()/int64(dayLength/time.Second), 10)
	who := strconv.FormatInt(v.user.ID, 10) + "." + v.session.ID
	return url.Values{"for": {who}, "day": {day}, "sig": {s.mac(path, who, day)}}.Encode()
}

// verify returns the user and the session that the URL was signed for; 0 where
// the signature does not hold or is too old.
func (s signer) verify(path string, q url.Values) (user int64, session string) {
	who, day := q.Get("for"), q.Get("day")
	n, err := strconv.ParseInt(day, 10, 64)
	today := s.now().Unix() / int64(dayLength/time.Second)
	if err != nil || n > today+1 || n <= today-signatureLife { // a day ahead: the clock was set back
		return 0, ""
	}
	if !hmac.Equal([]byte(q.Get("sig")), []byte(s.mac(path, who, day))) {
		return 0, ""
	}
	id, session, _ := strings.Cut(who, ".")
	user, err = strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, ""
	}
	return user, session
}

func (s signer) mac(path, who, day string) string {
	h := hmac.New(sha256.New, s.key)
	fmt.Fprintf(h, "%q %q %q", path, who, day)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:20])
}
