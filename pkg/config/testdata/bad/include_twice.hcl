include = "conf.d/more.hcl"
drain   = "5s"
log {
  level = "debug"
}
service "static" "site" {}
