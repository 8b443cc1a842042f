# portico's config: which ports there are on this machine, and what answers
# behind each.
#
#     {{.Command (print "portico validate" .File)}}   look for mistakes
#     {{.Command (print "portico run" .File)}}   run the daemon
#     {{.Command (print "portico check" .Flag)}}   make a real request through every port
#     {{.Command (print "portico reload" .Flag)}}   apply a change without closing a connection
#
# `portico services` lists the kinds of service, `portico services KIND` the
# options of one; docs/config.md says what each is for.

{{if not .Domain -}}
# What may be set from outside: --var ip=0.0.0.0, or PORTICO_VAR_ip=0.0.0.0.
# Only this machine can connect as long as it is a loopback address. Before you
# change it, think of TLS: `portico init --domain` writes a file with it.
variable "ip" { default = "127.0.0.1" }

{{end -}}
data_dir = "{{.DataDir}}" # all that portico keeps{{if not .System}}; relative to this file{{end}}
drain    = "10s" # how long requests may go on when their service or the daemon ends

{{if .Accounts -}}
# Who may sign in to{{range $i, $name := .Accounts}}{{if $i}} and{{end}} {{$name}}{{end}}. open: whoever can connect may sign up;
# invite: with an invite from `portico user invite`; closed: `portico user add`.
accounts { registration = "{{if .Domain}}closed{{else}}open{{end}}" }

{{end -}}
# A service is an instance of a kind: service "KIND" "NAME". What it stores lies
# in data_dir/KIND/NAME.

