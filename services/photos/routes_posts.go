package photos

import "slices"

// postRoutes are about posts, timelines, notifications and search.
func (p *Photos) postRoutes() []route {
	return slices.Concat(p.statusRoutes(), p.timelineRoutes(), p.noticeRoutes())
}

func (p *Photos) statusRoutes() []route {
	const one = "/api/v1/statuses/{id}"
	return []route{
		{get, "/api/v1/statuses", anyone, "read:statuses", false, p.getStatuses},
		{put, one, user, "write:statuses", false, p.editStatus},
		{get, one + "/context", anyone, "read:statuses", false, p.statusContext},
		{get, one + "/source", user, "read:statuses", false, p.statusSource},
		{get, one + "/history", anyone, "read:statuses", false, p.statusHistory},
		{get, one + "/card", anyone, "read:statuses", false, p.statusCard},
		{get, one + "/favourited_by", anyone, "read:accounts", false, p.favouritedBy},
		{get, one + "/reblogged_by", anyone, "read:accounts", false, p.rebloggedBy},
		{post, one + "/favourite", user, "write:favourites", false, p.marker(marking{kind: favourite, on: true})},
		{post, one + "/unfavourite", user, "write:favourites", false, p.marker(marking{kind: favourite})},
		{post, one + "/bookmark", user, "write:bookmarks", false, p.marker(marking{kind: bookmark, on: true})},
		{post, one + "/unbookmark", user, "write:bookmarks", false, p.marker(marking{kind: bookmark})},
		{post, one + "/pin", user, "write:accounts", false, p.marker(marking{kind: pin, on: true})},
		{post, one + "/unpin", user, "write:accounts", false, p.marker(marking{kind: pin})},
		{post, one + "/mute", user, "write:mutes", false, p.threadMuter(true)},
		{post, one + "/unmute", user, "write:mutes", false, p.threadMuter(false)},
		{post, one + "/reblog", user, "write:statuses", false, p.reblog},
		{post, one + "/unreblog", user, "write:statuses", false, p.unreblog},
		{post, one + "/translate", user, "read:statuses", false, p.translate},
	}
}

func (p *Photos) timelineRoutes() []route {
	return []route{
		{get, "/api/v1/timelines/tag/{tag}", anyone, "read:statuses", false, p.tagTimeline},
		{get, "/api/v1/timelines/list/{id}", user, "read:lists", false, p.listTimeline},
		{get, "/api/v1/timelines/direct", user, "read:statuses", false, p.directTimeline},
		{get, "/api/v1/favourites", user, "read:favourites", false, p.markedPosts(favourite)},
		{get, "/api/v1/bookmarks", user, "read:bookmarks", false, p.markedPosts(bookmark)},
		{get, "/api/v1/tags/{tag}", anyone, "read", false, p.getTag},
		{post, "/api/v1/tags/{tag}/follow", user, "write:follows", false, p.tagFollower(true)},
		{post, "/api/v1/tags/{tag}/unfollow", user, "write:follows", false, p.tagFollower(false)},
		{get, "/api/v1/followed_tags", user, "read:follows", false, p.followedTags},
		{get, "/api/v1/trends", anyone, "read", false, p.trendingTags},
		{get, "/api/v1/trends/tags", anyone, "read", false, p.trendingTags},
		{get, "/api/v1/trends/statuses", anyone, "read:statuses", false, p.trendingStatuses},
		{get, "/api/v1/trends/links", anyone, "read", false, p.trendingLinks},
		{get, "/api/v1/conversations", user, "read:statuses", false, p.listConversations},
		{post, "/api/v1/conversations/{id}/read", user, "write:conversations", false, p.readConversation},
		{del, "/api/v1/conversations/{id}", user, "write:conversations", false, p.dropConversation},
		{get, "/api/v1/search", user, "read:search", false, p.searchV1},
		{get, "/api/v2/search", anyone, "read:search", false, p.searchV2},
	}
}

func (p *Photos) noticeRoutes() []route {
	const all = "/api/v1/notifications"
	return []route{
		{get, all, user, "read:notifications", false, p.listNotifications},
		{get, all + "/unread_count", user, "read:notifications", false, p.unreadNotifications},
		{post, all + "/clear", user, "write:notifications", false, p.clearNotifications},
		{post, all + "/dismiss", user, "write:notifications", false, p.dismissNotification},
		{get, all + "/{id}", user, "read:notifications", false, p.getNotification},
		{post, all + "/{id}/dismiss", user, "write:notifications", false, p.dismissNotification},
	}
}
