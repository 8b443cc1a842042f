service "photo" "instagram" {}

listener "web" {
  address = "127.0.0.1:8080"
  service = service.photo.instagram
}
listener "other" {
  address = "127.0.0.1:8081"
  service = service.gopher.hole
}
