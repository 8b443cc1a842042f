service "static" "site" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
}
storage {
  database = "postgres://portico:never-shown@db-1,db-2/portico"
  bus      = "nats://nats-1:4222"
}
