# Every request goes to another address, with its path and query.
service "redirect" "{{.Name}}" {
  to = "{{.Front}}"
  status = 308 # for good; 307 for one that may change
}
