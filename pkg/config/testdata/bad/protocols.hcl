service "echo" "all" {}

listener "web" {
  address = "127.0.0.1:8080"
  route {
    protocol = ["htpp", "ssh", "quic"]
    service  = service.echo.all
  }
}
