service "static" "site" { root = "." browse = true }
