package store

// Own keeps what Mastodon does not have: uploads on their way, stories, albums
// and reports.
type Own interface {
}
