# One answer to every request.
service "respond" "{{.Name}}" {
  body = "hello from portico\n"
  # status = 503
  # headers = { Retry-After = "3600" }
}
