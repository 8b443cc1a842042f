package photos

import "slices"

// socialRoutes are about people and what they are to each other, and about the
// apps that they let in.
func (p *Photos) socialRoutes() []route {
	return slices.Concat(p.accountRoutes(), p.relationRoutes(), p.listRoutes(), p.filterRoutes(), p.settingRoutes(), p.instanceRoutes())
}

func (p *Photos) accountRoutes() []route {
	const account = "/api/v1/accounts/"
	return []route{
		{get, "/api/v1/apps/verify_credentials", app, "", false, p.verifyApp},
		{patch, account + "update_credentials", user, "write:accounts", true, p.updateCredentials},
		{del, "/api/v1/profile/avatar", user, "write:accounts", false, p.deleteAvatar},
		{del, "/api/v1/profile/header", user, "write:accounts", false, p.deleteHeader},
		{get, account + "search", user, "read:accounts", false, p.searchAccounts},
		{get, account + "relationships", user, "read:follows", false, p.relationships},
		{get, account + "familiar_followers", user, "read:follows", false, p.familiarFollowers},
		{get, account + "{id}/followers", anyone, "read:accounts", false, p.followersOf},
		{get, account + "{id}/following", anyone, "read:accounts", false, p.followedBy},
		{get, account + "{id}/lists", user, "read:lists", false, p.listsWith},
		{get, account + "{id}/featured_tags", anyone, "read:accounts", false, p.accountTags},
		{get, account + "{id}/endorsements", anyone, "read:accounts", false, p.endorsementsOf},
		{get, account + "{id}/identity_proofs", anyone, "read:accounts", false, none},
		{get, "/api/v1/directory", anyone, "read:accounts", false, p.directory},
		{get, "/api/v1/suggestions", user, "read:accounts", false, p.suggestionsV1},
		{get, "/api/v2/suggestions", user, "read:accounts", false, p.suggestionsV2},
		{del, "/api/v1/suggestions/{id}", user, "write:accounts", false, p.dismissSuggestion},
		{get, "/api/v1/endorsements", user, "read:accounts", false, p.endorsements},
	}
}

func (p *Photos) relationRoutes() []route {
	const account = "/api/v1/accounts/{id}/"
	return []route{
		{post, account + "follow", user, "write:follows", false, p.follow},
		{post, account + "unfollow", user, "write:follows", false, p.unfollow},
		{post, account + "remove_from_followers", user, "write:follows", false, p.removeFollower},
		{post, account + "block", user, "write:blocks", false, p.block},
		{post, account + "unblock", user, "write:blocks", false, p.unblock},
		{post, account + "mute", user, "write:mutes", false, p.mute},
		{post, account + "unmute", user, "write:mutes", false, p.unmute},
		{post, account + "note", user, "write:accounts", false, p.note},
		{post, account + "pin", user, "write:accounts", false, p.endorse},
		{post, account + "unpin", user, "write:accounts", false, p.unendorse},
		{post, account + "endorse", user, "write:accounts", false, p.endorse},
		{post, account + "unendorse", user, "write:accounts", false, p.unendorse},
		{get, "/api/v1/follow_requests", user, "read:follows", false, p.followRequests},
		{post, "/api/v1/follow_requests/{id}/authorize", user, "write:follows", false, p.grantRequest},
		{post, "/api/v1/follow_requests/{id}/reject", user, "write:follows", false, p.refuseRequest},
		{get, "/api/v1/blocks", user, "read:blocks", false, p.blocks},
		{get, "/api/v1/mutes", user, "read:mutes", false, p.mutes},
		{get, "/api/v1/domain_blocks", user, "read:blocks", false, p.domainBlocks},
		{post, "/api/v1/domain_blocks", user, "write:blocks", false, p.blockDomain},
		{del, "/api/v1/domain_blocks", user, "write:blocks", false, p.unblockDomain},
	}
}

func (p *Photos) listRoutes() []route {
	const list = "/api/v1/lists"
	return []route{
		{get, list, user, "read:lists", false, p.lists},
		{post, list, user, "write:lists", false, p.createList},
		{get, list + "/{id}", user, "read:lists", false, p.list},
		{put, list + "/{id}", user, "write:lists", false, p.editList},
		{del, list + "/{id}", user, "write:lists", false, p.deleteList},
		{get, list + "/{id}/accounts", user, "read:lists", false, p.listMembers},
		{post, list + "/{id}/accounts", user, "write:lists", false, p.addMembers},
		{del, list + "/{id}/accounts", user, "write:lists", false, p.removeMembers},
	}
}

func (p *Photos) filterRoutes() []route {
	const v1, v2 = "/api/v1/filters", "/api/v2/filters"
	return []route{
		{get, v1, user, "read:filters", false, p.filtersV1},
		{post, v1, user, "write:filters", false, p.createFilterV1},
		{get, v1 + "/{id}", user, "read:filters", false, p.oneFilterV1},
		{put, v1 + "/{id}", user, "write:filters", false, p.editFilterV1},
		{del, v1 + "/{id}", user, "write:filters", false, p.deleteFilterV1},
		{get, v2, user, "read:filters", false, p.filters},
		{post, v2, user, "write:filters", false, p.createFilter},
		{get, v2 + "/{id}", user, "read:filters", false, p.filter},
		{put, v2 + "/{id}", user, "write:filters", false, p.editFilter},
		{del, v2 + "/{id}", user, "write:filters", false, p.deleteFilter},
		// Two shapes share these paths: ID/keywords and keywords/ID.
		{get, v2 + "/{a}/{b}", user, "read:filters", false, filterPath{p.keywords, p.keyword, p.filterStatuses, p.filterStatus}.route},
		{post, v2 + "/{a}/{b}", user, "write:filters", false, filterPath{p.addKeyword, nil, p.addFilterStatus, nil}.route},
		{put, v2 + "/{a}/{b}", user, "write:filters", false, filterPath{nil, p.editKeyword, nil, nil}.route},
		{del, v2 + "/{a}/{b}", user, "write:filters", false, filterPath{nil, p.deleteKeyword, nil, p.deleteFilterStatus}.route},
	}
}

func (p *Photos) settingRoutes() []route {
	return []route{
		{get, "/api/v1/preferences", user, "read:accounts", false, p.preferences},
		{get, "/api/v1/markers", user, "read:statuses", false, p.markers},
		{post, "/api/v1/markers", user, "write:statuses", false, p.setMarkers},
		{get, "/api/v1/featured_tags", user, "read:accounts", false, p.featuredTags},
		{post, "/api/v1/featured_tags", user, "write:accounts", false, p.featureTag},
		{get, "/api/v1/featured_tags/suggestions", user, "read:accounts", false, none},
		{del, "/api/v1/featured_tags/{id}", user, "write:accounts", false, p.unfeatureTag},

		{get, "/api/v1/announcements", user, "", false, none},
		{post, "/api/v1/announcements/{id}/dismiss", user, "write:accounts", false, nothing},
		{get, "/api/v1/custom_emojis", anyone, "", false, none},
		{get, "/api/v1/scheduled_statuses", user, "read:statuses", false, none},
		{get, "/api/v1/scheduled_statuses/{id}", user, "read:statuses", false, nothing},
		{put, "/api/v1/scheduled_statuses/{id}", user, "write:statuses", false, nothing},
		{del, "/api/v1/scheduled_statuses/{id}", user, "write:statuses", false, nothing},
		{get, "/api/v1/push/subscription", user, "push", false, nothing},
		{post, "/api/v1/push/subscription", user, "push", false, nothing},
		{put, "/api/v1/push/subscription", user, "push", false, nothing},
		{del, "/api/v1/push/subscription", user, "push", false, nothing},
	}
}

func (p *Photos) instanceRoutes() []route {
	const instance = "/api/v1/instance/"
	return []route{
		{get, instance + "peers", anyone, "", false, none},
		{get, instance + "rules", anyone, "", false, p.rules},
		{get, instance + "activity", anyone, "", false, p.activity},
		{get, instance + "domain_blocks", anyone, "", false, none},
		{get, instance + "extended_description", anyone, "", false, p.extendedDescription},
		{get, instance + "privacy_policy", anyone, "", false, p.privacyPolicy},
		{get, instance + "translation_languages", anyone, "", false, func(*call) (any, error) { return struct{}{}, nil }},
		{get, "/.well-known/oauth-authorization-server", anyone, "", false, p.authorizationServer},
		{get, "/.well-known/nodeinfo", anyone, "", false, p.nodeInfoLinks},
		{get, "/nodeinfo/2.0", anyone, "", false, p.nodeInfo},
	}
}
