service "static" "site" {}

listener "one" {
  service = service.static.site
}
listener "two" {
  address = []
  service = service.static.site
}
listener "three" {
  service = service.static.site
}
