[server]
port = 80
