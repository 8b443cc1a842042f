package photos

// ownRoutes are what Mastodon does not have: stories, albums, the export and the
// operator's calls; and reports, which it has. Uploads that resume are in tus.go.
func (p *Photos) ownRoutes() []route {
	const own = "/api/portico/v1"
	return []route{
		{get, own + "/stories", user, "read:statuses", false, p.storyTray},
		{post, own + "/stories", user, "write:statuses", true, p.createStory},
		{get, own + "/stories/{id}", user, "read:statuses", false, p.getStory},
		{del, own + "/stories/{id}", user, "write:statuses", false, p.deleteStory},
		{post, own + "/stories/{id}/seen", user, "write:statuses", false, p.seeStory},
		{get, own + "/stories/{id}/viewers", user, "read:statuses", false, p.storyViewers},
		{get, own + "/accounts/{id}/stories", user, "read:statuses", false, p.accountStories},

		{get, own + "/albums", anyone, "read:statuses", false, p.albums},
		{post, own + "/albums", user, "write:statuses", false, p.createAlbum},
		{get, own + "/albums/{id}", anyone, "read:statuses", false, p.getAlbum},
		{put, own + "/albums/{id}", user, "write:statuses", false, p.editAlbum},
		{del, own + "/albums/{id}", user, "write:statuses", false, p.deleteAlbum},
		{get, own + "/albums/{id}/statuses", anyone, "read:statuses", false, p.albumStatuses},

		{get, own + "/export", user, "read", false, p.export},
		{post, "/api/v1/reports", user, "write:reports", false, p.createReport},

		{get, own + "/admin/reports", user, "admin:read", false, operator(p.adminReports)},
		{get, own + "/admin/reports/{id}", user, "admin:read", false, operator(p.adminReport)},
		{post, own + "/admin/reports/{id}/resolve", user, "admin:write", false, operator(p.resolveReport)},
		{post, own + "/admin/reports/{id}/reopen", user, "admin:write", false, operator(p.reopenReport)},
		{post, own + "/admin/accounts/{id}/suspend", user, "admin:write", false, operator(p.suspend)},
		{post, own + "/admin/accounts/{id}/unsuspend", user, "admin:write", false, operator(p.unsuspend)},
		{post, own + "/admin/statuses/{id}/remove", user, "admin:write", false, operator(p.removePost)},
		{get, own + "/admin/storage", user, "admin:read", false, operator(p.storage)},
		{post, own + "/admin/jobs/retry", user, "admin:write", false, operator(p.retryJobs)},
	}
}
