service "echo" "hello" {}

listener "hello" {
  address = "127.0.0.1:8080"
  service = service.echo.hello
}
