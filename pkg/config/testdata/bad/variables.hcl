variable "ip" { default = "127.0.0.1" }
variable "token" {
  description = "The token that the photos are signed with."
}
variable "IP" {}
variable "ip" {}
data_dir = "${var.dir}/x"
drain = var.Ip
log {
  level = vars.level
}
