service "tcp" "git" {
}
listener "git" {
  address = "127.0.0.1:2222"
  service = service.tcp.git
  tls {
    certificate {
      file = "cert.pem"
    }
  }
}
