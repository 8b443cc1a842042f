variable "ip" { default = "127.0.0.1" }
service "photos" "instagram" {
  max_upload = "lots"
}
listener "instagram" {
  address = "${var.ipp}:2001"
  service = service.photo.instagram
  timeout = "5s"
}
listener "gallery" {
  address = "${var.ip}:99999"
}
