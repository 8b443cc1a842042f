service "static" "site" {}

listener "one" {
  address = ["127.0.0.1:8080", "127.0.0.1:8080"]
  service = service.static.site
}
listener "two" {
  address = "127.0.0.1:8080"
  service = service.static.site
}
listener "three" {
  address = ":8080"
  service = service.static.site
}
listener "four" {
  address = "unix:./a.sock"
  service = service.static.site
}
listener "five" {
  address = "unix:a.sock"
  service = service.static.site
}
