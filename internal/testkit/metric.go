package testkit

import (
	"bufio"
	"math"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/admin"
)

// Metrics are the numbers that the daemon tells of itself now, by name and
// labels: portico_x_total{listener="web"}.
func (d *Daemon) Metrics() map[string]float64 {
	d.t.Helper()
	res, err := d.Admin.HTTP().Get(admin.Base + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	all := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ') // labels may have spaces
		n, err := strconv.ParseFloat(line[at+1:], 64)
		if at < 0 || err != nil {
			d.t.Fatalf("no metric: %q", line)
		}
		all[line[:at]] = n
	}
	if err := lines.Err(); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// Metric is one of them; NaN, which is equal to nothing, if there is none.
func (d *Daemon) Metric(name string) float64 {
	d.t.Helper()
	if n, ok := d.Metrics()[name]; ok {
		return n
	}
	return math.NaN()
}
