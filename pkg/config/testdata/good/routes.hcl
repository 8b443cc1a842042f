# Routes that look alike and are all reachable.
service "static" "site" {}
service "photos" "instagram" {}
service "echo" "all" {}
service "tcp" "git" {
  upstreams = ["127.0.0.1:22"]
}

locals {
  office = ["10.0.0.0/8", "fd00::/8"]
}

listener "shared" {
  address = ["127.0.0.1:8443", "[::1]:8443", "unix:./web.sock"]
  tls {
    self_signed = true
    redirect    = true
  }
  detect { timeout = "3s" }
  route {
    protocol = "tls"
    sni      = "git.example.org"
    service  = service.tcp.git
  }
  route {
    protocol = ["ssh", "socks5"]
    from     = local.office
    service  = service.tcp.git
  }
  route {
    protocol = "ssh"
    service  = service.echo.all
  }
  route {
    host    = "photos.example.org"
    path    = ["/api/*", "/media/*"]
    service = service.photos.instagram
  }
  route {
    host    = ["*.example.org", "127.0.0.1", "::1"]
    service = service.photos.instagram
  }
  route {
    alpn    = "h2"
    service = service.static.site
  }
  service = service.static.site
}

# The kind that only speaks HTTP leaves the rest to those after it.
listener "plain" {
  address = "127.0.0.1:8080"
  route {
    service = service.static.site
  }
  route {
    protocol = "mqtt"
    service  = service.tcp.git
  }
  service = service.tcp.git
}

listener "v4" {
  address = "0.0.0.0:9000"
  service = service.static.site
}
listener "v6" {
  address = "[::]:9000"
  service = service.static.site
}
