service "static" "site" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
}
storage {
  access_key = "portico"
  secret_key = "never-shown"
  blob       = "s3://bucket"
}
