package settings

import "github.com/hashicorp/hcl/v2"

// Decode is being written.
func Decode(body hcl.Body, ectx *hcl.EvalContext, into any) hcl.Diagnostics { return nil }
