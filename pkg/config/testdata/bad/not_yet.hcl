service "static" "site" {}

storage {
  database = "postgres://localhost/x"
}
listener "one" {
  address = "127.0.0.1:8443"
  service = service.static.site
  tls {
    self_signed = true
  }
}
