# A listener is one address or several, and what answers there.
{{- if .Domain}}
{{- if .Web}}

# Plain HTTP goes to HTTPS. The CA, too, asks here whether the names are ours.
service "redirect" "https" { to = "https://{host}{uri}" }

listener "http" {
  address = ":80"
  service = service.redirect.https
}

# A certificate for all names below comes from Let's Encrypt by itself and is
# renewed in time. Each name has to lead to this machine: see `portico check`.
listener "https" {
  address = ":443"
  http3 = true # HTTP/3, over UDP at the same port

  tls {
    acme {
{{- if .Email}}
      email = "{{.Email}}" # where the CA writes to when something is wrong
{{- else}}
      # email = "you@{{.Domain}}" # where the CA writes to when something is wrong
{{- end}}
    }
  }
{{range .Web}}
  route {
    host = [{{range $i, $h := .Hosts}}{{if $i}}, {{end}}"{{$h}}"{{end}}]
    service = service.{{.Ref}}
  }
{{- end}}

  # What no route takes gets 404.

  limits {
    per_ip = 200 # connections at a time from one address
  }
}
{{- end}}
{{- range .Raw}}

listener "{{.Name}}" {
  address = ":{{.Port}}"
  service = service.{{.Ref}}
}
{{- end}}
{{- else}}
{{- range .All}}

listener "{{.Name}}" {
  address = "${var.ip}:{{.Port}}"
  service = service.{{.Ref}}
}
{{- end}}

# One port can be shared by name, path and protocol, with a certificate from
# Let's Encrypt; `portico init --domain example.org` writes such a file.
{{- end}}
