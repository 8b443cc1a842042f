# portico in a container, for compose.yaml beside it. Inside, every address is the
# container's own; which of them are reachable from outside says `ports` there. A
# proxy in front that ends TLS belongs into trusted_proxies, by its own address.

accounts { registration = "closed" } # docker compose exec portico portico user add ann

service "chat" "talk" {}

service "photos" "pictures" {}

service "images" "gallery" {
  root     = "/srv/pictures"
  sign_key = secret("images") # of /run/secrets; sizes need a signature: portico sign
}

listener "talk" {
  address = ":3001"
  service = service.chat.talk
}

listener "pictures" {
  address = ":2001"
  service = service.photos.pictures
}

listener "gallery" {
  address = ":8080"
  service = service.images.gallery
}
