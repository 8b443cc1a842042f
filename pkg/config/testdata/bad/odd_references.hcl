variable "x" { default = "static" }
service "static" "site" {}
listener "one" {
  address = "127.0.0.1:8081"
  service = null
}
listener "two" {
  address = "127.0.0.1:8082"
  service = service[var.x].site
}
listener "three" {
  address = "127.0.0.1:8083"
  service = service.static["site"]
}
listener "four" {
  address = "127.0.0.1:8084"
  service = service.static.site.more
}
listener "five" {
  address = "127.0.0.1:8085"
  service = "${service.static.site}"
}
listener "six" {
  address = "127.0.0.1:8086"
  service = [service.static.site]
}
listener "seven" {
  address = "127.0.0.1:8087"
  service = static
}
