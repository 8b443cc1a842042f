service "static" "site" {}

admin {
  socket  = "admin.sock"
  address = "localhost:9090"
}
listener "one" {
  address = [":9090", "unix:admin.sock"]
  service = service.static.site
}
