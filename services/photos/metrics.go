package photos

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/services/photos/store"
)

// metrics are the service's own. Requests and bytes are counted by the front
// door already.
type metrics struct {
	uploads *prometheus.CounterVec
	posts   prometheus.Counter
	pending prometheus.GaugeFunc
}

func newMetrics(st store.Store) *metrics {
	m := &metrics{
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portico_photos_uploads_total", Help: "Pictures that were sent, by what became of them.",
		}, []string{"result"}),
		posts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portico_photos_posts_total", Help: "Posts that were made.",
		}),
		pending: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portico_photos_incomplete_pictures", Help: "Pictures whose larger sizes are still to be made.",
		}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			totals, err := st.Totals(ctx)
			if err != nil {
				return math.NaN() // not known at present
			}
			return float64(totals.Incomplete)
		}),
	}
	m.uploads.WithLabelValues("stored")
	m.uploads.WithLabelValues("refused")
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.uploads, m.posts, m.pending}
}

// upload counts an upload that ended with err.
func (m *metrics) upload(err error) {
	result := "stored"
	if err != nil {
		result = "refused"
	}
	m.uploads.WithLabelValues(result).Inc()
}
