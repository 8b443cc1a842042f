# `portico services {{.Kind}}` lists its options.
service "{{.Kind}}" "{{.Name}}" {}
