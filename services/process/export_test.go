package process

// Printable is tried by itself, with bytes that no program sends.
var Printable = printable
