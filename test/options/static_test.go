package options_test

import (
	"net/http"
	"testing"
)

// option: static.root static.index static.spa static.browse static.precompressed static.cache_control
func TestStatic(t *testing.T) {
	t.Parallel()
	dir := files(t,
		"site/home.htm", "home", "site/other/home.htm", "other", "site/other/index.html", "not this one",
		"site/app.js", "let a = 1", "site/app.js.gz", "packed",
		"list/sub/a.txt", "a", "list/b.txt", "b")
	d := start(t, `
variable "dir" {}
service "static" "site" {
  root          = "${var.dir}/site"
  index         = ["none.html", "home.htm"]
  spa           = true
  precompressed = true
  cache_control = "public, max-age=60"
}
service "static" "list" {
  root   = "${var.dir}/list"
  browse = true
}
listener "site" {
  address = "127.0.0.1:0"
  service = service.static.site
}
listener "list" {
  address = "127.0.0.1:0"
  service = service.static.list
}
`, "dir", dir)
	site, list := d.URL("site"), d.URL("list")
	a := get(t, site+"/")
	a.is(t, http.StatusOK, "home")
	a.has(t, "Cache-Control", "public, max-age=60")
	get(t, site+"/other/").is(t, http.StatusOK, "other")
	// spa: a path of the application, but no file that is missing.
	get(t, site+"/users/7").is(t, http.StatusOK, "home")
	get(t, site+"/missing.js").is(t, http.StatusNotFound, "")
	get(t, list+"/users/7").is(t, http.StatusNotFound, "")

	a = get(t, site+"/app.js", "Accept-Encoding", "gzip")
	a.is(t, http.StatusOK, "packed")
	a.has(t, "Content-Encoding", "gzip")
	get(t, site+"/app.js").is(t, http.StatusOK, "let a = 1")

	a = get(t, list+"/", "Accept", "application/json")
	a.is(t, http.StatusOK, "")
	a.says(t, `"sub/?"`, `"b\.txt"`)
	get(t, list+"/").says(t, `href="[^"]*sub/"`)
	a = get(t, list+"/b.txt")
	a.is(t, http.StatusOK, "b")
	a.has(t, "Cache-Control", "no-cache")
}
