variable "l" { default = ["a"] }
variable "m" { default = { a = "b" } }
log {
  level = var.l[3]
  format = var.m.c
}
data_dir = "${var.l}/x"
drain = 1 + "x"
admin {
  public = var.m ? 1 : 2
}