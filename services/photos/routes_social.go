package photos

// socialRoutes are about people and what they are to each other.
func (p *Photos) socialRoutes() []route {
	return []route{}
}
