package photos

// ownRoutes are what Mastodon does not have: uploads that resume, stories,
// albums, the export and the operator's calls.
func (p *Photos) ownRoutes() []route {
	return []route{}
}
