# Any program as a supervised child: started, watched, replaced without a failed
# request. It gets HOST and PORT, and listens there.
service "process" "{{.Name}}" {
  command = {{.Command}}{{if .Sample}} # yours, say ["node", "server.js"]{{end}}
  dir = "{{.Folder}}"
  # env = { GREETING = "Good day" }
  # user = "app" # who it runs as; needs a portico that is root, or the unit's drop-in
  health {
    path = "/" # a status from 200 to 399 is good
  }
  restart {
    watch = true # a changed program replaces the old one by itself
  }
}
