service "static" "site" {
  root = "."

listener "web" {
  address = ":8080"
}
