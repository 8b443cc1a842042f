service "static" "site" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
}
storage {
  bus = "nats://nats-1:4222"
}
