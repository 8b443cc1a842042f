# portico's config: which ports there are on this machine, and what answers
# behind each. `portico validate` looks for mistakes, `portico check` makes a
# real request through every port, `portico reload` applies a change without
# closing a connection. All options are in docs/config.md.

# What may be set from outside: --var ip=0.0.0.0, or PORTICO_VAR_ip=0.0.0.0.
# Only this machine can connect as long as it is a loopback address.
variable "ip" { default = "127.0.0.1" }

data_dir = "./data" # all that portico keeps; relative to this file
drain    = "10s"    # how long requests may go on when their service or the daemon ends

log {
  level  = "info" # trace, debug, info, warn, error
  format = "auto" # console on a terminal, JSON elsewhere
}

admin {
  socket = "./data/admin.sock" # for portico reload, status, sockets, user; mode 0600
  # address = "127.0.0.1:9090" # metrics and health over HTTP as well
}

# Chat and photos share their accounts. open: whoever can connect may sign up;
# invite: with an invite from `portico user invite`; closed: `portico user add`.
accounts { registration = "open" }

# A service is an instance of a kind: service "KIND" "NAME". What it stores lies
# in data_dir/KIND/NAME. `portico services` lists the kinds.

# A WhatsApp-like chat: HTTP and WebSocket, direct conversations and groups.
service "chat" "whatsapp" {}

# An Instagram-like photo service that speaks Mastodon's API.
service "photos" "instagram" {
  max_upload = "20MiB"
}

# A folder of pictures, delivered in any size: /lake.jpg?w=640
service "images" "gallery" {
  root = "./images"
}

# A listener is one address or several, and what answers there.

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

# One port can be shared by protocol, name and path:
#
# service "static" "site" {
#   root = "./site"
# }
#
# service "redirect" "old" {
#   to = "https://www.example.org/"
# }
#
# listener "web" {
#   address = [":8443", "[::1]:8444", "unix:./data/web.sock"]
#
#   tls { self_signed = true } # or certificate { file = ..., key = ... } blocks
#
#   route {
#     host    = ["photos.example.org"]
#     service = service.photos.instagram
#   }
#   route {
#     path    = ["/old/*"]
#     service = service.redirect.old
#   }
#
#   service = service.static.site # everything that no route takes
#
#   limits { per_ip = 100 } # connections at a time from one address
# }
