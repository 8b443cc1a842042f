service "static" "site" {}

listener "web" {
  address = "127.0.0.1:8080"
  service = "static.site"
}
listener "web2" {
  address = "127.0.0.1:8081"
  service = static.site
}
listener "web3" {
  address = "127.0.0.1:8082"
  service = service.static
}
