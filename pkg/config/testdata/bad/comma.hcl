log {
  level = "info",
  format = "json"
}
