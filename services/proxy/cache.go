package proxy

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/httperr"
)

// A caching is what the cache has to do with one request.
type caching struct {
	store     *store
	key       string
	want      directives // of the request
	why       string     // the upstream is asked, as Cache-Status says it; RFC 9211
	keeps     bool       // the answer may be kept
	validates bool       // the upstream is asked whether stale is good still
	alone     bool       // nobody else waits for it
	forNobody bool       // no client gets the answer, only the store

	stale     *stored // that may serve yet, if the upstream says so or fails
	collapsed bool    // it waited for another's answer
	leads     bool    // others wait
	begun     uint64  // see store.begin
	asked     time.Time
	fill      *fill // nil: the answer is not kept
}

// recall answers the request from memory; false: the upstream is to be asked, and
// x.cache knows what to do with the answer.
func (x *exchange) recall() bool {
	c := &caching{store: x.g.store, key: cacheKey(&x.out)}
	x.cache = c
	switch {
	case x.r.Method != http.MethodGet && x.r.Method != http.MethodHead:
		c.why = "method"
		return false
	case x.r.ContentLength != 0 || len(c.key) > maxCacheKey || x.out.websocket || steered(x.r.Header) ||
		x.out.fields.has("If-Match") || x.out.fields.has("If-Unmodified-Since"):
		c.why = "bypass"
		return false
	}
	c.want = parseDirectives(x.out.fields.list("Cache-Control"))
	if !x.out.fields.has("Cache-Control") && x.out.fields.get("Pragma") == "no-cache" {
		c.want.noCache = true
	}
	if c.why = "request"; c.want.noStore {
		return false
	}
	for {
		if x.look() {
			return true
		}
		if c.collapsed || c.alone || !x.shareable() || !x.wait() {
			break
		}
	}
	if c.leads && x.look() { // who led before may have landed in between
		x.land()
		return true
	}
	c.keeps = x.r.Method == http.MethodGet
	if c.keeps {
		x.ask()
	}
	return false
}

// ask prepares for the answer of an upstream that may be kept.
func (x *exchange) ask() {
	c := x.cache
	c.begun, c.asked = c.store.begin(c.key), time.Now()
	x.validate()
}

// look answers from memory if it can.
func (x *exchange) look() bool {
	c := x.cache
	now := time.Now()
	e, known, alone := c.store.find(c.key, x.out.fields)
	if e != nil && x.out.fields.has("Authorization") && !e.open() {
		e = nil
	}
	c.stale, c.alone = e, alone
	switch {
	case e == nil && known:
		c.why = "vary-miss"
	case e == nil:
		c.why = "uri-miss"
	case e.good(now, c.want):
		x.s.metrics.cacheHits.Inc()
		x.replay(e, "")
		return true
	case c.want.noCache || c.want.maxAge != never && e.ttl(now) > 0:
		c.why = "request"
	default:
		c.why = "stale"
		if e.within(now, e.asked.whileRevalidate) && c.want.maxAge == never && c.want.minFresh == never {
			x.s.metrics.cacheStale.Inc()
			x.replay(e, "")
			x.s.refresh(x)
			return true
		}
	}
	if c.want.onlyIfCached {
		httperr.Write(x.w, x.r, http.StatusGatewayTimeout, "not_cached", "This is not in the cache, and nobody else may be asked.")
		return true
	}
	return false
}

// shareable reports whether the answer to this request is likely one for others.
func (x *exchange) shareable() bool {
	return x.r.Method == http.MethodGet && x.cache.why != "request" && !x.out.fields.has("Range") &&
		!x.out.fields.has("If-None-Match") && !x.out.fields.has("If-Modified-Since")
}

// wait waits for another request that asks for the same, if there is one; false:
// there is none, or it is not worth it.
func (x *exchange) wait() bool {
	c := x.cache
	f, leads := c.store.join(c.key)
	if f == nil || leads {
		c.leads = leads
		return false
	}
	x.s.metrics.cacheCollapsed.Inc()
	f.wait(x.r.Context(), x.g.cfg.Cache.Wait)
	c.collapsed = true
	return true
}

// validate asks whether what is in memory is good still, in place of what the
// client asks; RFC 9111, section 4.3.1.
func (x *exchange) validate() {
	e := x.cache.stale
	if e == nil || e.status != http.StatusOK {
		return
	}
	tag, modified := e.fields.get("Etag"), e.fields.get("Last-Modified")
	if tag == "" && modified == "" {
		return
	}
	f := &x.out.fields
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
		f.del(name)
	}
	if tag != "" {
		f.set("If-None-Match", tag)
	}
	if modified != "" {
		f.set("If-Modified-Since", modified)
	}
	x.cache.why = "stale"
	if x.cache.want.noCache || x.cache.want.maxAge != never {
		x.cache.why = "request"
	}
	x.cache.validates = true
}

// reuse looks at an answer of the upstream; true: something else was said to the
// client. Otherwise the answer may be on its way into the store.
func (x *exchange) reuse(a *answer) bool {
	c := x.cache
	switch {
	case c.why == "method":
		if a.status >= 200 && a.status < 400 && !isSafe(x.r.Method) {
			c.store.forget(c.key)
			c.forgetOther(x, a.fields.get("Location"))
			c.forgetOther(x, a.fields.get("Content-Location"))
		}
		return false
	case x.cache.validates && a.status == http.StatusNotModified:
		x.renewed(a)
		return true
	case a.status >= 500 && x.staleAfter(a.status):
		return true
	case !c.keeps:
		return false
	}
	if !c.forNobody {
		x.s.metrics.cacheMisses.Inc()
	}
	if a.length > int64(x.g.cfg.Cache.MaxAnswer) {
		c.unkept()
		return false
	}
	e := storable(a, x.out.fields, c.asked, time.Now())
	if e == nil {
		c.unkept()
		return false
	}
	f := &fill{store: c.store, key: c.key, begun: c.begun, limit: int64(x.g.cfg.Cache.MaxAnswer), e: e}
	if a.length > 0 && !f.grow(a.length) {
		f.end(false)
		c.unkept()
		return false
	}
	c.fill = f
	return false
}

// renewed answers from memory, because the upstream said that it is good still.
func (x *exchange) renewed(a *answer) {
	c := x.cache
	e := c.stale
	if !c.forNobody {
		x.s.metrics.cacheValidated.Inc()
	}
	if tag := a.fields.get("Etag"); tag == "" || tag == e.fields.get("Etag") {
		if n := e.refreshed(a, x.out.fields, c.asked, time.Now()); n != nil {
			c.store.put(c.key, n, c.begun)
			e = n
		} else {
			c.store.forget(c.key)
		}
	}
	x.land()
	x.replay(e, "; fwd="+c.why+"; fwd-status=304")
}

// staleAfter answers from memory where the upstream failed, with a status or, for
// 0, without, and where the answer in memory allows it: RFC 5861, section 4.
func (x *exchange) staleAfter(status int) bool {
	c := x.cache
	if c == nil || c.stale == nil || c.want.noCache {
		return false
	}
	switch status {
	case 0, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return false
	}
	if now := time.Now(); !c.stale.within(now, max(c.stale.asked.ifError, c.want.ifError)) {
		return false
	}
	x.s.metrics.cacheStale.Inc()
	how := "; fwd=stale"
	if status > 0 {
		how += "; fwd-status=" + strconv.Itoa(status)
	}
	x.replay(c.stale, how+"; detail=stale-if-error")
	return true
}

// unkept says that the answer will not be kept, so that nobody waits for it.
func (c *caching) unkept() {
	if c.leads {
		c.store.pass(c.key)
		c.store.land(c.key)
		c.leads = false
	}
}

// land lets those who wait look again.
func (x *exchange) land() {
	if c := x.cache; c != nil && c.leads {
		c.store.land(c.key)
		c.leads = false
	}
}

// filled ends the filling of the store; whole: the answer is all there.
func (x *exchange) filled(whole bool) {
	if c := x.cache; c != nil && c.fill != nil {
		c.fill.end(whole)
		c.fill = nil
	}
	x.land()
}

// status is what Cache-Status says of an answer that came from the upstream.
func (c *caching) status(code int) string {
	s := "portico; fwd=" + c.why
	if c.stale != nil {
		s += "; fwd-status=" + strconv.Itoa(code)
	}
	if c.fill != nil {
		s += "; stored"
	}
	if c.collapsed {
		s += "; collapsed"
	}
	return s
}

// replay answers from memory. how goes into Cache-Status; "" for what the upstream
// was not asked for.
func (x *exchange) replay(e *stored, how string) {
	now := time.Now()
	switch {
	case how == "" && x.cache.collapsed:
		how = "; fwd=uri-miss; collapsed"
	case how == "":
		how = "; hit; ttl=" + strconv.Itoa(int(e.ttl(now).Seconds()))
	}
	f := append(fields(x.lines[:0]), e.fields...)
	x.g.responseRules.apply(&f)
	h := x.w.Header()
	f.putInto(h)
	h.Set("Age", strconv.Itoa(int(e.age(now).Seconds())))
	h.Set("Cache-Status", "portico"+how)
	if e.status == http.StatusOK && x.conditional() {
		if _, ok := h["Content-Type"]; !ok {
			h["Content-Type"] = nil // none is guessed
		}
		h.Set("Content-Length", strconv.Itoa(len(e.body)))
		modified, _ := http.ParseTime(e.fields.get("Last-Modified"))
		http.ServeContent(x.w, x.r, "", modified, bytes.NewReader(e.body))
		return
	}
	if e.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(e.body)))
	}
	dst := sink{w: x.w}
	if x.g.cfg.Compress {
		dst.coder = x.s.coders.choose(x.r, e.status, h)
	}
	x.w.WriteHeader(e.status)
	if x.r.Method == http.MethodHead || len(e.body) == 0 {
		dst.drop()
		return
	}
	if err := dst.whole(e.body); err != nil {
		panic(http.ErrAbortHandler) // the client must not take it for the whole
	}
}

// conditional reports whether the client wants a part, or only what it has not.
func (x *exchange) conditional() bool {
	h := x.r.Header
	return len(h["Range"])+len(h["If-None-Match"])+len(h["If-Modified-Since"]) > 0
}

// forgetOther forgets what a change says that it touched as well, where that is the
// same site's: RFC 9111, section 4.4.
func (c *caching) forgetOther(x *exchange, ref string) {
	if ref == "" {
		return
	}
	u, err := x.r.URL.Parse(ref)
	if err != nil || u.Host != "" && !strings.EqualFold(u.Host, x.r.Host) {
		return
	}
	other := x.out
	if other.path, _ = x.g.path.apply(u.EscapedPath()); other.path == "" {
		return
	}
	in := *x.r
	in.URL = &url.URL{RawQuery: u.RawQuery}
	other.in = &in
	c.store.forget(cacheKey(&other))
}

func isSafe(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, method)
}
