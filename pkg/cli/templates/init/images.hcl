# A folder of pictures, delivered in any size: /lake.jpg?w=640. What was made is
# kept in data_dir, up to cache_size.
service "images" "{{.Name}}" {
  root = "{{.Folder}}"
  cache_size = "1GiB"
  # sign_key = secret("images") # only sizes that `portico sign` has signed
}
