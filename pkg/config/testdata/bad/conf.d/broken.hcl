service "static" "site" {
