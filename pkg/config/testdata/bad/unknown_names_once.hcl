service "static" "site" {}
listener "web" {
  address = "${var.ipp}:80"
  service = service.static.site
  allow = var.nobody
}
listener "two" {
  address = var.list
  service = service.static.site
  route {
    host = var.hosts
    service = service.static.site
  }
}
listener "three" {
  address = ":81"
  route {
    host    = var.hosts
    service = service.static.site
  }
  route {
    host    = "a.org"
    service = service.static.site
  }
}
