# portico's config: which ports there are on this machine, and what answers
# behind each.
#
#     portico validate              look for mistakes
#     systemctl reload portico      apply a change without closing a connection
#     portico check                 make a real request through every port
#     portico status                what runs, and how it is
#
# All options are in /usr/share/doc/portico/config.md; `portico services` lists
# the kinds of service, `portico services KIND` the options of one.

# Only this machine can connect as long as it is a loopback address. Before you
# change it, think of TLS: passwords and messages would go over the network.
variable "ip" { default = "127.0.0.1" }

data_dir = "/var/lib/portico" # all that portico keeps

# Chat and photos share their accounts. closed: `portico user add` makes them;
# invite: with an invite from `portico user invite`; open: whoever can connect.
accounts { registration = "closed" }

# A chat: HTTP and WebSocket.
service "chat" "talk" {}

# A photo service that speaks Mastodon's API.
service "photos" "pictures" {}

# A folder of pictures, delivered in any size: /lake.jpg?w=640. The unit sees
# /srv, but neither /home nor /root.
#
# service "images" "gallery" {
#   root = "/srv/pictures"
# }

listener "talk" {
  address = "${var.ip}:3001"
  service = service.chat.talk
}

listener "pictures" {
  address = "${var.ip}:2001"
  service = service.photos.pictures
}

# listener "gallery" {
#   address = "${var.ip}:8080"
#   service = service.images.gallery
# }
