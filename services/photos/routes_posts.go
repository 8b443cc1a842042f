package photos

// postRoutes are about posts, timelines, notifications and search.
func (p *Photos) postRoutes() []route {
	return []route{}
}
