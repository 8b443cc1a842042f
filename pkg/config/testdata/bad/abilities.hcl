service "static" "site" {}
service "tcp" "git" {
  upstreams = "127.0.0.1:22"
}

listener "web" {
  address = "127.0.0.1:8080"
  route {
    protocol = "ssh"
    service  = service.static.site
  }
  route {
    host    = "git.example.org"
    service = service.tcp.git
  }
  route {
    protocol = "http"
    service  = service.tcp.git
  }
  route {
    protocol = "tls"
    service  = service.static.site
  }
}
