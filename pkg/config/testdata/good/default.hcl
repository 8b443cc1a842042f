variable "ip" { default = "127.0.0.1" }

data_dir = "./data"
log {
  level = "info"
}
admin { socket = "./data/admin.sock" }
accounts { registration = "open" }

service "chat" "whatsapp" {}
service "photos" "instagram" { max_upload = "20MiB" }
service "images" "gallery" { root = "./images" }

listener "whatsapp" {
  address = "${var.ip}:3001"
  service = service.chat.whatsapp
}
listener "instagram" {
  address = "${var.ip}:2001"
  service = service.photos.instagram
}
listener "gallery" {
  address = "${var.ip}:8080"
  service = service.images.gallery
}
