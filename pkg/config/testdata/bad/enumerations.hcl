log {
  level  = "inof"
  format = "xml"
  access {
    format = "combined"
  }
}
accounts {
  registration = "opened"
}
limits {
  connections = -1
}
service "static" "site" {}
listener "one" {
  address = "127.0.0.1:8443"
  service = service.static.site
  detect {
    silent  = "deafult"
    timeout = "0s"
  }
  limits {
    rate   = -0.5
    header = "1B"
  }
  timeouts {
    header = 0
  }
}
drain = "48h"
