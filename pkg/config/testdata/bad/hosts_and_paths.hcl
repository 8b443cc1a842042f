service "static" "site" {}

listener "web" {
  address = "127.0.0.1:8080"
  route {
    host = [
      "https://example.org", "example.org:8080", "example.org/x", "a.*.org", "*", "bücher.example",
      "exa mple.org", "example.org.", "",
    ]
    service = service.static.site
  }
  route {
    path    = ["api", "/a*", "/a?b=c", "/a/../b"]
    service = service.static.site
  }
  route {
    alpn    = ""
    service = service.static.site
  }
}
