package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// nginxHead is what a packaged nginx comes with, but for access logs, which are
// off everywhere here, and for more connections.
const nginxHead = `
%[2]s
user root;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr error;
worker_rlimit_nofile %[3]d;
events { worker_connections %[4]d; }
`

const nginxHTTP = `
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type text/plain;
  types { image/jpeg jpg; }
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  ssl_protocols TLSv1.2 TLSv1.3;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
`

// startNginx starts one with what its blocks http and stream say, and waits for
// addr.
func startNginx(ctx context.Context, b *bench, addr, http, stream string) (*server, error) {
	dir, file, err := nginxConfig(b.dir, http, stream)
	if err != nil {
		return nil, err
	}
	return spawn(ctx, addr, "nginx", "-p", dir, "-c", file, "-g", "daemon off;")
}

// nginxConfig writes the file of one.
func nginxConfig(parent, http, stream string) (dir, file string, err error) {
	if dir, file, err = writeConfig(parent, "nginx.conf", ""); err != nil {
		return "", "", err
	}
	return dir, file, writeNginx(dir, file, http, stream)
}

// writeNginx writes a file again, for a reload.
func writeNginx(dir, file, http, stream string) error {
	module := ""
	if stream != "" {
		module = nginxStream()
		stream = "stream {\n" + stream + "}\n"
	}
	limit := fileLimit()
	config := fmt.Sprintf(nginxHead, dir, module, limit, min(limit-100, 32_768)) + "http {" + fmt.Sprintf(nginxHTTP, dir) + http + "}\n" + stream
	return os.WriteFile(file, []byte(config), 0o644)
}

// nginxStream is the line that loads the module, where it is one.
func nginxStream() string {
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err == nil {
		return "load_module " + module + ";"
	}
	return ""
}

// nginxFiles serves a folder, plain and by TLS.
func nginxFiles(plain, tls, root string, c certificate) string {
	return nginxServer(plain, tls, c, "root "+root+";")
}

// nginxAnswers answers everything with the same text, plain and by TLS.
func nginxAnswers(plain, tls, body string, c certificate) string {
	return nginxServer(plain, tls, c, fmt.Sprintf("location / { return 200 %q; }", body))
}

func nginxServer(plain, tls string, c certificate, what string) string {
	return fmt.Sprintf(`
  server {
    listen %s;
    listen %s ssl;
    ssl_certificate %s;
    ssl_certificate_key %s;
    %s
  }
`, plain, tls, c.cert, c.key, what)
}

// nginxProxy is what its manual says of upstreams that keep connections.
func nginxProxy(addr, backend string) string {
	return fmt.Sprintf(`
  upstream b {
    server %[2]s;
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen %[1]s;
    location / {
      proxy_pass http://b;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_max_temp_file_size 0;
    }
  }
`, addr, backend)
}

// nginxRelay is a server of the block stream.
func nginxRelay(addr, backend string) string {
	return fmt.Sprintf("  server {\n    listen %s;\n    proxy_pass %s;\n  }\n", addr, backend)
}

// haproxyHead has one figure: HAProxy wants two descriptors for each connection, and
// more to splice.
const haproxyHead = `
global
  maxconn %d
defaults
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  timeout http-keep-alive 10m
  option splice-auto
`

// startHAProxy starts one and waits for addr.
func startHAProxy(ctx context.Context, b *bench, addr, config string) (*server, error) {
	_, file, err := writeConfig(b.dir, "haproxy.cfg", haproxyFile(config))
	if err != nil {
		return nil, err
	}
	return spawn(ctx, addr, "haproxy", "-db", "-f", file)
}

func haproxyFile(config string) string {
	return fmt.Sprintf(haproxyHead, min(4096, fileLimit()/4)) + config
}

// haproxyAnswers answers everything with the same text.
func haproxyAnswers(addr, body string) string {
	return fmt.Sprintf("frontend answers\n  mode http\n  bind %s\n  http-request return status 200 content-type text/plain string %q\n", addr, body)
}

// haproxyFronts relays by HTTP, by TCP, and by TCP after it looked whether what
// comes is SSH.
func haproxyFronts(http, tcp, split, backend string) string {
	return fmt.Sprintf(`
frontend http
  mode http
  option forwardfor
  bind %[1]s
  default_backend http
backend http
  mode http
  http-reuse always
  server b %[4]s
listen tcp
  mode tcp
  bind %[2]s
  server b %[4]s
frontend split
  mode tcp
  bind %[3]s
  tcp-request inspect-delay 5s
  acl ssh payload(0,7) -m bin 5353482d322e30
  tcp-request content accept if ssh
  tcp-request content accept if HTTP
  use_backend ssh if ssh
  default_backend plain
backend ssh
  mode tcp
  server b 127.0.0.1:22
backend plain
  mode tcp
  server b %[4]s
`, http, tcp, split, backend)
}

// startSSLH starts the sslh that serves all connections in one process.
func startSSLH(ctx context.Context, addr, backend string) (*server, error) {
	s, err := spawn(ctx, addr, "sslh-select", "--foreground", "--numeric", "--listen", addr, "--ssh", "127.0.0.1:22", "--http", backend)
	if err != nil {
		return nil, err
	}
	// The probe of its port had said nothing; sslh takes that for SSH after a while.
	time.Sleep(10 * time.Millisecond)
	return s, nil
}

// A certificate is two files that all servers of a part use.
type certificate struct{ cert, key string }

// hcl is the block of a listener that uses it.
func (c certificate) hcl() string {
	return fmt.Sprintf("  tls {\n    certificate {\n      file = %q\n      key  = %q\n    }\n  }\n", c.cert, c.key)
}

// listener is a block of portico's file, on a port that the system chooses.
func listener(name, service string, inside ...string) string {
	return fmt.Sprintf("listener %q {\n  address = \"127.0.0.1:0\"\n%s  service = service.%s\n}\n", name, strings.Join(inside, ""), service)
}

// sshRoute makes a listener a split: what is SSH goes elsewhere.
const sshRoute = "  route {\n    protocol = \"ssh\"\n    service  = service.echo.raw\n  }\n"
