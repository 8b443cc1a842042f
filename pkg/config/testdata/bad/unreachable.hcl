service "static" "site" {}
service "tcp" "git" {
  upstreams = "127.0.0.1:22"
}

listener "web" {
  address = "127.0.0.1:8080"
  route {
    host    = "*.example.org"
    service = service.static.site
  }
  route {
    host    = "www.example.org"
    path    = "/api/*"
    service = service.static.site
  }
  route {
    protocol = "http1"
    service  = service.static.site
  }
  route {
    protocol = "http"
    service  = service.static.site
  }
  route {
    path    = "/x"
    service = service.static.site
  }
  route {
    service = service.static.site
  }
  route {
    protocol = "ssh"
    from     = "10.0.0.0/8"
    service  = service.tcp.git
  }
}
