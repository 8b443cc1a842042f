drain = "${var.x"
