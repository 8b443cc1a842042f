service "static" "site" {
  root = service.static.other
}
