service "static" "site" {}

listener "web" {
  address = "127.0.0.1:8443"
  route {
    sni     = "www.example.org"
    service = service.static.site
  }
}
