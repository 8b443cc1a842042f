variable "dir" { default = "conf.d" }
include = "${var.dir}/*.hcl"
