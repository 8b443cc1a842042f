service "static" "site" {}
service "tcp" "git" { upstreams = ["127.0.0.1:22"] }

listener "web" {
  address = "127.0.0.1:8080"
  route {
    path    = "/a/*"
    service = service.static.site
    basic_auth {
      users = {
        ""    = "x"
        "bob" = "$apr1$x$y"
        "eve" = "$2y$99$abc"
      }
    }
    forward_auth {
      url     = "127.0.0.1:9091"
      copy    = ["Remote User"]
      timeout = "0s"
    }
    cors {
      origins     = ["https://app.example.org/", "*"]
      methods     = ["get"]
      credentials = true
    }
    headers = { "Bad Name" = "x" }
  }
  service = service.static.site
}
