log "info" {}
service "static" "site" "extra" {}
listener "web" {
  address = "127.0.0.1:80"
  service = service.static.site
  route "api" {
    service = service.static.site
  }
  route {
    path = "/x"
  }
}
