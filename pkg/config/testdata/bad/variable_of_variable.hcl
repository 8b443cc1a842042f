variable "ip" { default = "127.0.0.1" }
variable "address" { default = "${var.ip}:80" }
