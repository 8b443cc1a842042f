package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a packaged nginx comes with, without the access log, as portico's is off
// in the same run.
const nginxConfig = `
user root;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  types { image/jpeg jpg; }
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  ssl_protocols TLSv1.2 TLSv1.3;
  server {
    listen %[2]s;
    listen %[3]s ssl;
    ssl_certificate %[4]s;
    ssl_certificate_key %[5]s;
    root %[6]s;
  }
}
`

// nginx is the peer for files.
type nginx struct {
	cmd        *exec.Cmd
	plain, tls string
}

func startNginx(ctx context.Context, dir, root, cert, key string) (*nginx, error) {
	plain, err := freeAddr()
	if err != nil {
		return nil, err
	}
	secure, err := freeAddr()
	if err != nil {
		return nil, err
	}
	n := &nginx{plain: plain, tls: secure}
	file := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nginxConfig, dir, n.plain, n.tls, cert, key, root)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	n.cmd = exec.CommandContext(ctx, "nginx", "-p", dir, "-c", file, "-g", "daemon off;")
	n.cmd.Stderr = os.Stderr
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("nginx (Debian package nginx-light): %w", err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", n.plain); err == nil {
			return n, c.Close()
		}
		if time.Now().After(deadline) {
			n.stop()
			return nil, fmt.Errorf("nginx does not answer on %s", n.plain)
		}
	}
}

func (n *nginx) stop() {
	_ = n.cmd.Process.Signal(os.Interrupt)
	_ = n.cmd.Wait()
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// family is a process and its children.
func family(pid int) []int {
	pids := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		if f := statFields(file); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, child)
		}
	}
	return pids
}

// statFields are those of /proc/PID/stat from the state on: parent second, user
// and system time twelfth and thirteenth.
func statFields(file string) []string {
	b, _ := os.ReadFile(file)
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

// cpuSeconds is what a process and its children have used.
func cpuSeconds(pid int) float64 {
	const ticks = 100 // a second, on every Linux that Go runs on
	sum := 0.0
	for _, p := range family(pid) {
		if f := statFields("/proc/" + strconv.Itoa(p) + "/stat"); len(f) > 12 {
			user, _ := strconv.ParseFloat(f[11], 64)
			system, _ := strconv.ParseFloat(f[12], 64)
			sum += user + system
		}
	}
	return sum / ticks
}

// peakMemory is the most that a process and its children had resident, in MiB.
func peakMemory(pid int) float64 {
	sum := 0.0
	for _, p := range family(pid) {
		for line := range strings.SplitSeq(processState(p), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
				kb, _ := strconv.ParseFloat(f[1], 64)
				sum += kb / 1024
			}
		}
	}
	return sum
}

// writeCertificate makes the one that all servers of the run use.
func writeCertificate(dir string) (cert, key string, err error) {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &priv.PublicKey, priv)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", err
		}
	}
	return cert, key, nil
}
