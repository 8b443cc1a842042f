log {}
log {}
drain = "5s"
service "static" "site" {}
service "static" "site" {}
listener "web" {
  address = "127.0.0.1:8080"
  service = service.static.site
}
listener "web" {
  address = "127.0.0.1:8081"
  service = service.static.site
}
