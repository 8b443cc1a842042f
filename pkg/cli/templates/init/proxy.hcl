# HTTP servers elsewhere, to which requests are passed on: balanced, checked,
# retried; WebSockets, event streams and gRPC too.
service "proxy" "{{.Name}}" {
  upstreams = ["http://127.0.0.1:9000"] # yours; "unix:/run/app.sock" works too
  # health {
  #   path = "/healthz" # asked every 10 s; without it, failed requests tell
  # }
}
