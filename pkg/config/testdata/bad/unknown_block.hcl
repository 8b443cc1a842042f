servce "static" "site" {
  root = "."
}
log {
  colour = true
}
