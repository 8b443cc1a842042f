listener "web" {
  address = ["127.0.0.1:80" "127.0.0.1:81"]
}
