# A folder of files: a site, a single-page application, downloads.
service "static" "{{.Name}}" {
  root = "{{.Folder}}"
  precompressed = true # page.js.br or page.js.gz in place of page.js, where it is there
  # spa = true # an unknown path gets the index: for applications that route themselves
  # browse = true # a folder without an index is listed
}
