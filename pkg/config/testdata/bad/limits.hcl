service "static" "site" { root = "." }
listener "one" {
  address = "127.0.0.1:8443"
  service = service.static.site
  limits {
    handshakes = -1
    requests   = -2
    burst      = -3
    bytes      = "10MB/s"
  }
}
listener "two" {
  address = "127.0.0.1:8444"
  service = service.static.site
  limits {
    burst = 10
    bytes = 100
  }
  timeouts {
    read     = 0
    write    = 0
    min_rate = "1KiB"
  }
}
listener "three" {
  address = "127.0.0.1:8445"
  service = service.static.site
  limits {
    handshakes = -1
    requests   = -2
    burst      = -3
  }
}
