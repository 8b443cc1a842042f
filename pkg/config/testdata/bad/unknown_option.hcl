service "photos" "instagram" {
  max_uplaod = "20MiB"
}
listener "web" {
  address = "127.0.0.1:8080"
  service = service.photos.instagram
}
