# A WhatsApp-like chat: conversations of two and of groups, attachments, search;
# a page, HTTP and WebSocket. A message that was acknowledged is on disk.
service "chat" "{{.Name}}" {
{{- if .URL}}
  public_url = "{{.URL}}" # as browsers see it{{end}}
  max_attachment = "100MiB"
  quota = "2GiB" # of attachments, for each person
}
