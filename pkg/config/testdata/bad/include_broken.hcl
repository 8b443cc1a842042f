include = "conf.d/broken.hcl"
listener "web" {
  address = "127.0.0.1:8080"
  service = service.static.site
}
