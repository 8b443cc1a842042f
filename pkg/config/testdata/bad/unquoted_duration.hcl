drain = 5s
