service "static" "site" {}

listener "nowhere" {
  address = "127.0.0.1:8443"
  service = service.static.site
  tls {
    acme {
      email   = "ops"
      key_id  = "1"
      mac_key = "not base64!"
    }
  }
}
listener "names" {
  address = ":443"
  route {
    host    = ["a.example.org"]
    service = service.static.site
  }
  tls {
    acme {
      directory = "http://acme.example.org"
      roots     = "../certs/a.key"
      names     = ["*.example.org", "127.0.0.1", "b.example.org"]
      http_port = 0
    }
    client_ca   = "../certs/a.key"
    client_auth = "maybe"
    min_version = "1.1"
  }
}
