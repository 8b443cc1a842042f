package store

// Social keeps what people are to each other.
type Social interface {
}
