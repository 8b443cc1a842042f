# Connections passed on as they are, in the kernel: here to this machine's SSH.
service "tcp" "{{.Name}}" {
  upstreams = ["127.0.0.1:22"]
  # send_proxy = "v2" # tells the server who the client is; it has to understand that
}
