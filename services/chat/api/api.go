// Package api holds the descriptions of the chat's HTTP API and WebSocket
// protocol, as they are served. It serves nothing itself.
package api

import _ "embed"

// OpenAPI is openapi.yaml: OpenAPI 3.1, all paths and objects.
//
//go:embed openapi.yaml
var OpenAPI []byte

// AsyncAPI is asyncapi.yaml: AsyncAPI 3.0, the lines of a WebSocket. It refers to
// the objects of openapi.yaml, beside which it must be served.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte
