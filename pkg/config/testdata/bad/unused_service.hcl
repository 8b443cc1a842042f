service "static" "site" {}
