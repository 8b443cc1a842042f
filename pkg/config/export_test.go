package config

// InMemory makes opt read from texts, by absolute path, and nothing else.
func InMemory(opt Options, texts map[string][]byte) Options {
	opt.files = saved(texts)
	return opt
}

// Redact takes secrets out of a message.
func Redact(message string, values ...string) string {
	return (&secrets{values: values}).redactMessage(message)
}
