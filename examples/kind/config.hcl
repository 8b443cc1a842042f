# go run ./examples/kind run examples/kind/config.hcl; curl localhost:7100

service "greet" "door" { text = "Welcome" }

listener "door" {
  address = "127.0.0.1:7100"
  service = service.greet.door
}
