package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// kib are the sizes of the pictures that are delivered.
var kib = []int{1, 40, 200, 1024}

func deliveryConfig(root string, c certificate) string {
	return fmt.Sprintf("service \"images\" \"i\" {\n  root    = %[1]q\n  reserve = 0\n}\nservice \"static\" \"s\" { root = %[1]q }\n", root) +
		listener("images", "images.i") + listener("images-tls", "images.i", c.hcl()) +
		listener("static", "static.s") + listener("static-tls", "static.s", c.hcl())
}

func deliveryTakes(b *bench) time.Duration {
	return 6*time.Second + b.turns(4*pick(b, len(kib), len(kib)-1)*2)
}

// runDelivery measures the delivery of the same bytes by all: a picture made
// smaller (a version), a file of the kind images as it is, a file of static.
func runDelivery(ctx context.Context, b *bench, r *report) error {
	c, err := writeCertificate(b.dir)
	if err != nil {
		return err
	}
	root := filepath.Join(b.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	p, err := startPortico(ctx, b, deliveryConfig(root, c))
	if err != nil {
		return err
	}
	defer p.stop()
	sizes, err := makePictures(root, p.addrs["images"])
	if err != nil {
		return fmt.Errorf("make pictures: %w", err)
	}
	addrs, err := freeAddrs(2)
	if err != nil {
		return err
	}
	nginx, err := startNginx(ctx, b, addrs[0], nginxFiles(addrs[0], addrs[1], root, c), "")
	if err != nil {
		return err
	}
	defer nginx.stop()
	for _, by := range []struct{ title, plot, scheme, suffix, peer string }{
		{"plain", "plain", "http://", "", addrs[0]},
		{"TLS 1.3", "tls", "https://", "-tls", addrs[1]},
	} {
		beside := &chart{title: "Delivery, " + by.title + ": answers a second beside nginx", marks: []mark{{1, "nginx"}}}
		for i, k := range kib {
			if b.short && k == 200 {
				continue
			}
			version := fmt.Sprintf("%s%s/from-%d.jpg?w=%d", by.scheme, p.addrs["images"+by.suffix], k, madeWidth)
			file := fmt.Sprintf("/made-%d.jpg", k)
			c, err := b.compete(ctx, fmt.Sprintf("%d KiB (%d bytes), %s", k, sizes[i], by.title), drive([]runner{
				{name: "nginx", pid: nginx.pid(), url: by.scheme + by.peer + file},
				{name: "images, a version", pid: p.pid(), portico: p, url: version, peer: "nginx"},
				{name: "images, as it is", pid: p.pid(), portico: p, url: by.scheme + p.addrs["images"+by.suffix] + file, peer: "nginx"},
				{name: "static", pid: p.pid(), portico: p, url: by.scheme + p.addrs["static"+by.suffix] + file, peer: "nginx"},
			}, load{}))
			if err != nil {
				return fmt.Errorf("%w: %s", err, p.log)
			}
			r.table(c.table("answers", "nginx"))
			c.bars(beside)
			deliveryClaims(r, c, k)
		}
		r.plot(by.plot, beside)
	}
	r.say("Peak memory of all of it together: portico %.0f MiB, nginx %.0f MiB.", peakMemory(p.pid()), peakMemory(nginx.pid()))
	return nil
}

// deliveryClaims notes every row of a contest for its aim.
func deliveryClaims(r *report, c *contest, k int) {
	aim := "delivery"
	if k == 1 {
		aim = "delivery-small"
	}
	for _, runner := range c.runners {
		if runner.peer != "" {
			r.reach(aim, c.title+", "+runner.name, c.rates(runner.name).beside(c.rates(runner.peer)))
		}
	}
}
