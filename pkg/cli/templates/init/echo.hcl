# What was sent comes back: bodies, WebSocket messages, raw bytes. For trying a
# network.
service "echo" "{{.Name}}" {}
