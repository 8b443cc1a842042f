package store

// Posts keeps what belongs to posts: threads, marks, tags and notifications.
type Posts interface {
}
