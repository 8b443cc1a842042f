service "static" "site" {}

listener "one" {
  address = "127.0.0.1:8443"
  service = service.static.site
  tls {}
}
listener "two" {
  address = "127.0.0.1:8444"
  service = service.static.site
  tls {
    certificate {
      file = "missing.pem"
      key  = "missing.key"
    }
    certificate {
      file = "../certs/a.pem"
      key  = "../certs/b.key"
    }
    certificate {
      file = "../certs/a.key"
      key  = "../certs/a.pem"
    }
    certificate {
      file = "../certs/expired.pem"
      key  = "../certs/expired.key"
    }
  }
}
