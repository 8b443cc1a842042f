service "static" "site" {}

listener "plain" {
  address = "127.0.0.1:8080"
  http3   = true
  service = service.static.site
}
