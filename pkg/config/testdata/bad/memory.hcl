limits {
  memory         = "1MiB"
  picture_memory = "1MiB"
}
listener "l" {
  address = "127.0.0.1:0"
  service = service.echo.e
}
service "echo" "e" {}
