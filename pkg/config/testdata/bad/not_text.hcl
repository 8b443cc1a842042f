drain = "5s"
ÿş
