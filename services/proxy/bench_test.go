package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"testing"

	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

// The proxy beside its backend reached directly: what it costs.
func BenchmarkProxy(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		body := bytes.Repeat([]byte("x"), size)
		up := backend(b, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = w.Write(body)
		})
		_, _, srv := open(b, one(up, func(*proxy.Config) {}))
		target, _ := url.Parse(up)
		lib := httputil.NewSingleHostReverseProxy(target) // the library's, for comparison
		lib.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
		for name, url := range map[string]string{"direct": up, "proxy": srv.URL, "httputil": servicetest.HTTP(b, lib).URL} {
			b.Run(strconv.Itoa(size>>10)+"KiB/"+name, func(b *testing.B) {
				tr := &http.Transport{MaxIdleConnsPerHost: 64}
				defer tr.CloseIdleConnections()
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						res, err := tr.RoundTrip(request(b, http.MethodGet, url, nil))
						if err != nil {
							b.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				})
			})
		}
	}
}
