include = "other.hcl"
drain   = "6s"
log {
  level = "info"
}
service "static" "site" {}
