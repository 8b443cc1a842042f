service "static" "site" {}

listener "web" {
  service = service.static.site
  address = [
    "127.0.0.1",
    "8080",
    8081,
    "example.org:80",
    "*:80",
    "http://127.0.0.1:80/",
    "127.0.0.1:http",
    "127.0.0.1:70000",
    "/run/web.sock",
    "unix:",
    "udp::53",
    "::1",
    "",
  ]
}
