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
	jobs    *prometheus.CounterVec
	work    *prometheus.CounterVec
	queue   *gauges
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
	m.jobs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portico_photos_jobs_total", Help: "Background work on pictures, by kind and what became of it.",
	}, []string{"kind", "result"})
	m.work = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portico_photos_job_seconds_total", Help: "Time that background work on pictures took, waiting for its turn included.",
	}, []string{"kind"})
	for _, k := range store.JobKinds {
		m.jobs.WithLabelValues(string(k), "done")
		m.jobs.WithLabelValues(string(k), "failed")
		m.work.WithLabelValues(string(k))
	}
	m.queue = newGauges(st)
	m.uploads.WithLabelValues("stored")
	m.uploads.WithLabelValues("refused")
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.uploads, m.posts, m.pending, m.jobs, m.work, m.queue}
}

// job counts a job that ended with err.
func (m *metrics) job(kind store.JobKind, err error, took time.Duration) {
	result := "done"
	if err != nil {
		result = "failed"
	}
	m.jobs.WithLabelValues(string(kind), result).Inc()
	m.work.WithLabelValues(string(kind)).Add(took.Seconds())
}

// gauges are numbers that are read from the store when somebody asks.
type gauges struct {
	st                              store.Store
	jobs, bytes, reports, uploading *prometheus.Desc
}

func newGauges(st store.Store) *gauges {
	return &gauges{
		st:        st,
		jobs:      prometheus.NewDesc("portico_photos_jobs", "Background work on pictures, by kind and state.", []string{"kind", "state"}, nil),
		bytes:     prometheus.NewDesc("portico_photos_stored_bytes", "Bytes of pictures, by what they are.", []string{"what"}, nil),
		reports:   prometheus.NewDesc("portico_photos_open_reports", "Reports that wait for an operator.", nil, nil),
		uploading: prometheus.NewDesc("portico_photos_unfinished_uploads", "Uploads that can be resumed and are not whole yet.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.jobs, g.bytes, g.reports, g.uploading} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	send := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	if counts, err := g.st.JobCounts(ctx); err == nil {
		for _, c := range counts {
			send(g.jobs, c.Waiting, string(c.Kind), "waiting")
			send(g.jobs, c.Retries, string(c.Kind), "retrying")
			send(g.jobs, c.Failed, string(c.Kind), "failed")
		}
	}
	if u, err := g.st.Usage(ctx); err == nil {
		send(g.bytes, u.Originals, "originals")
		send(g.bytes, u.Sizes, "sizes")
		send(g.bytes, u.Variants, "variants")
		send(g.bytes, u.UploadBytes, "uploads")
		send(g.reports, u.OpenReports)
		send(g.uploading, u.Uploads)
	}
}

// upload counts an upload that ended with err.
func (m *metrics) upload(err error) {
	result := "stored"
	if err != nil {
		result = "refused"
	}
	m.uploads.WithLabelValues(result).Inc()
}
