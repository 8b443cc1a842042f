service "static" "site" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
}
storage {
  blobs      = "s3://bucket?endpoint=http://s3.example.org"
  access_key = "portico"
  secret_key = "never-shown"
}
