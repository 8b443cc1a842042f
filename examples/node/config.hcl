# portico run examples/node/config.hcl
service "process" "hello" {
  command = ["node", "server.js"]
  dir     = "."
  env     = { GREETING = "Good day" }

  health {
    path     = "/healthz"
    interval = "5s"
  }
  restart {
    watch = true # a new server.js replaces the old one, without a failed request
  }
}

listener "hello" {
  address = "127.0.0.1:7200"
  service = service.process.hello
}
