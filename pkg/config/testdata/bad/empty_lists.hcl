service "static" "site" {}
listener "web" {
  address = "127.0.0.1:8080"
  service = service.static.site
  allow   = []
}
listener "two" {
  address = "127.0.0.1:8081"
  route {
    host    = []
    from    = []
    service = service.static.site
  }
}
