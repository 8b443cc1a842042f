service "static" "site" {
  root       = ["a"]
  max_upload = "20 megabytes"
  ping       = "5"
  status     = 70000
  browse     = "yes"
  headers    = "X-Frame-Options: deny"
}
service "static" "other" {
  root       = "unix:/run/x.sock"
  max_upload = "20"
  ping       = "7d"
  status     = 1.5
  headers    = { a = ["b"] }
  limits {
    per_ip = 5000
  }
  limits {}
}
service "static" "third" {
  root = "~/site"
  ping = "-5s"
  limits {
    per_ip = 5000
  }
}
