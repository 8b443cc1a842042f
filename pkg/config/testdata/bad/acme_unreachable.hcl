service "static" "site" {}

listener "nowhere" {
  address = "127.0.0.1:8443"
  service = service.static.site
  tls {
    acme {}
  }
}
listener "wild" {
  address = "127.0.0.1:8444"
  tls {
    acme {
      names    = ["example.org"]
      tls_port = 8444
    }
  }
  route {
    host    = ["*.example.org", "b.example.org"]
    service = service.static.site
  }
}
