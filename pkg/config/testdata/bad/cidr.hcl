service "static" "site" {}

listener "web" {
  address         = "127.0.0.1:8080"
  service         = service.static.site
  allow           = ["10.0.0.0/8", "10.1.2.3/8"]
  deny            = ["localhost", "10.0.0.0/33"]
  trusted_proxies = 5
}
