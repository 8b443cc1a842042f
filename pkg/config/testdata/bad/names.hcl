service "static" "../../etc" {}
service "static" "My Site" {}
listener "Web" {
  address = "127.0.0.1:8080"
  service = service.static.site
}
service "static" {}
listener {}
