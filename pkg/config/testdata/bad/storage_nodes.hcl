service "static" "site" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
}
storage {
  database = "postgres://portico:never-shown@db:notaport/portico"
  bus      = "nats://portico:nor-this-one@nats-1:4222/x"
}
