package options_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// asked tells a request as a service sees it.
func asked(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "host=%s path=%s user=%s auth=%s for=%s proto=%s", r.Host, r.URL.RequestURI(), r.Header.Get("Remote-User"),
		r.Header.Get("Authorization"), r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"))
}

// option: listener.route.host listener.route.path listener.route.from listener.route.service listener.route.headers
// option: listener.route.security_headers listener.route.basic_auth.realm listener.route.basic_auth.users
// option: listener.route.cors.origins listener.route.cors.methods listener.route.cors.headers listener.route.cors.expose
// option: listener.route.cors.credentials listener.route.cors.max_age
// option: listener.route.forward_auth.url listener.route.forward_auth.copy listener.route.forward_auth.timeout
func TestWhatRoutesAsk(t *testing.T) {
	t.Parallel()
	verify := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Forwarded-Uri") {
		case "/checked/slow":
			<-r.Context().Done()
		case "/checked/no":
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
		default:
			w.Header().Set("Remote-User", "ann")
		}
	})
	d := start(t, `
variable "app" {}
variable "verify" {}
service "proxy" "app" { upstreams = ["http://${var.app}"] }
service "respond" "other" { body = "other" }
service "respond" "near" { body = "near" }
listener "web" {
  address        = "127.0.0.1:0"
  proxy_protocol { from = ["127.0.0.0/8"] }
  service        = service.respond.other
  route {
    from    = ["192.0.2.0/24"]
    service = service.respond.near
  }
}
listener "site" {
  address = "127.0.0.1:0"
  service = service.respond.other
  route {
    host    = ["*.app.test"]
    path    = ["/private/*"]
    service = service.proxy.app
    basic_auth {
      realm = "the back room"
      users = { ann = "secret-word" }
    }
  }
  route {
    path    = ["/checked/*"]
    service = service.proxy.app
    forward_auth {
      url     = "http://${var.verify}/"
      copy    = ["Remote-User"]
      timeout = "300ms"
    }
  }
  route {
    path             = ["/shared"]
    service          = service.proxy.app
    headers          = { "X-Robots-Tag" = "noindex" }
    security_headers = true
    cors {
      origins     = ["https://shop.test"]
      methods     = ["GET", "PURGE"]
      headers     = ["X-Trace"]
      expose      = ["X-Total"]
      credentials = true
      max_age     = "33s"
    }
  }
}
listener "tls" {
  address = "127.0.0.1:0"
  tls { self_signed = true }
  route {
    service          = service.respond.other
    security_headers = true
  }
}
`, "app", backend(t, asked), "verify", verify)

	site := d.URL("site")
	a := get(t, site+"/private/x", "Host", "a.app.test")
	a.is(t, http.StatusUnauthorized, "")
	a.has(t, "Www-Authenticate", `Basic realm="the back room", charset="UTF-8"`)
	a = get(t, "http://ann:secret-word@"+d.Addr("site")+"/private/x", "Host", "a.app.test")
	a.is(t, http.StatusOK, "")
	a.says(t, "^host=a.app.test path=/private/x user= auth= ")
	get(t, "http://ann:other@"+d.Addr("site")+"/private/x", "Host", "a.app.test").is(t, http.StatusUnauthorized, "")
	get(t, site+"/private/x", "Host", "app.test").is(t, http.StatusOK, "other")
	get(t, site+"/public", "Host", "a.app.test").is(t, http.StatusOK, "other")

	get(t, site+"/checked/yes", "Remote-User", "mallory").says(t, "user=ann ")
	a = get(t, site+"/checked/no")
	a.is(t, http.StatusFound, "")
	a.has(t, "Location", "/login")
	get(t, site+"/checked/slow").is(t, http.StatusGatewayTimeout, "")

	sharedRoute(t, site+"/shared", d.URL("tls"))

	for addr, want := range map[string]string{"192.0.2.7": "near", "198.51.100.7": "other"} {
		c := from(t, d.Addr("web"), addr)
		send(t, c, "GET / HTTP/1.0\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), want) {
			t.Errorf("from %s: %q %v", addr, b, err)
		}
	}
}

// sharedRoute is about the headers of answers.
func sharedRoute(t *testing.T, url, inTLS string) {
	t.Helper()
	a := get(t, url, "Origin", "https://shop.test")
	a.is(t, http.StatusOK, "")
	a.has(t, "X-Robots-Tag", "noindex")
	a.has(t, "X-Content-Type-Options", "nosniff")
	a.has(t, "X-Frame-Options", "SAMEORIGIN")
	a.has(t, "Referrer-Policy", "strict-origin-when-cross-origin")
	a.has(t, "Strict-Transport-Security", "")
	a.has(t, "Access-Control-Allow-Origin", "https://shop.test")
	a.has(t, "Access-Control-Expose-Headers", "X-Total")
	a.has(t, "Access-Control-Allow-Credentials", "true")
	get(t, url, "Origin", "https://evil.test").has(t, "Access-Control-Allow-Origin", "")

	a = ask(t, http.MethodOptions, url, "", "Origin", "https://shop.test", "Access-Control-Request-Method", "PURGE")
	a.is(t, http.StatusNoContent, "")
	a.has(t, "Access-Control-Allow-Methods", "GET, PURGE")
	a.has(t, "Access-Control-Allow-Headers", "X-Trace")
	a.has(t, "Access-Control-Max-Age", "33")
	a.has(t, "Access-Control-Allow-Credentials", "true")

	askWith(t, anyCertificate, http.MethodGet, inTLS, "").has(t, "Strict-Transport-Security", "max-age=31536000")
}
