# An Instagram-like photo service that speaks Mastodon's API, so that its apps
# work: posts, stories, albums, follows, comments.
service "photos" "{{.Name}}" {
  title = "Photos"
{{- if .URL}}
  public_url = "{{.URL}}" # as browsers and apps see it{{end}}
{{- if .Beside "chat"}}
  chat_url = "{{.Beside "chat"}}" # adds a button for a message{{end}}
  max_upload = "20MiB"
  # quota = "5GiB" # of pictures, for each person
}
