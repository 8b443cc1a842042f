service "echo" "all" {}

listener "web" {
  address = "127.0.0.1:8080"
  route {
    protocol = "ssh"
    host     = "git.example.org"
    service  = service.echo.all
  }
  route {
    protocol = "postgres"
    sni      = "db.example.org"
    service  = service.echo.all
  }
  route {
    protocol = "tls"
    path     = "/api/*"
    service  = service.echo.all
  }
}
