package hostcheck

// ParseEnv is for fuzzing.
var ParseEnv = parseEnv
