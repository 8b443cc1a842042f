package photos_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// starts are calls that such apps make when they start and on their first pages,
// after Mastodon's documentation and what is known of the apps: they are not
// recordings, and no app was run here. What is not offered is empty, not missing;
// 404 are those that apps expect it of.
var starts = map[string]string{
	"Tusky": `/api/v1/instance /api/v2/instance /api/v1/accounts/verify_credentials /api/v1/custom_emojis /api/v1/filters /api/v2/filters
		/api/v1/announcements?with_dismissed=false /api/v1/lists /api/v1/follow_requests /api/v1/conversations?limit=30
		/api/v1/timelines/home?limit=30 /api/v1/timelines/home?since_id=1&limit=30 /api/v1/timelines/public?local=true&limit=30
		/api/v1/notifications?limit=30&exclude_types[]=poll&exclude_types[]=admin.sign_up /api/v1/markers?timeline[]=notifications
		/api/v1/trends/tags /api/v1/trends/statuses /api/v1/bookmarks /api/v1/favourites /api/v1/scheduled_statuses /api/v1/followed_tags
		/api/v1/domain_blocks /api/v1/blocks /api/v1/mutes /api/v1/accounts/ME/statuses?exclude_replies=true /api/v1/accounts/ME/statuses?pinned=true
		/api/v1/accounts/ME/statuses?only_media=true /api/v1/accounts/relationships?id[]=ME /api/v1/accounts/ME/featured_tags`,
	"Elk": `/api/v2/instance /api/v1/accounts/verify_credentials /api/v1/preferences /api/v1/custom_emojis /api/v2/filters /api/v1/lists
		/api/v1/markers?timeline[]=home&timeline[]=notifications /api/v1/notifications?limit=30&types[]=mention /api/v1/timelines/home?limit=30
		/api/v1/trends/tags /api/v1/trends/links /api/v1/trends/statuses /api/v2/suggestions?limit=20 /api/v1/followed_tags
		/api/v1/accounts/lookup?acct=ann /api/v1/conversations /api/v1/tags/sea /api/v1/timelines/tag/sea /api/v2/search?q=ann&resolve=true
		/api/v1/accounts/familiar_followers?id[]=ME /api/v1/directory?local=true`,
	"Ice Cubes": `/api/v1/instance /api/v2/instance /api/v1/instance/rules /api/v1/instance/peers /api/v1/instance/translation_languages
		/api/v1/accounts/verify_credentials /api/v1/preferences /api/v1/lists /api/v1/followed_tags /api/v1/markers
		/api/v1/trends/tags?offset=0 /api/v1/trends/statuses?offset=0 /api/v1/trends/links /api/v1/suggestions /api/v2/suggestions /api/v1/featured_tags
		/api/v1/notifications?types[]=favourite&types[]=follow&limit=30 /api/v1/notifications/unread_count /api/v1/custom_emojis
		/api/v1/timelines/home?limit=40 /api/v1/timelines/public /api/v1/accounts/ME/followers /api/v1/accounts/ME/following /api/v1/endorsements
		/api/v1/instance/activity /api/v1/instance/extended_description /api/v1/instance/domain_blocks /api/v1/instance/privacy_policy
		/api/v1/accounts/ME/lists /api/v1/accounts/ME/identity_proofs /nodeinfo/2.0 /.well-known/nodeinfo /.well-known/oauth-authorization-server`,
	"nothing there": `404:/api/v1/push/subscription 404:/api/v2/notifications/policy 404:/api/v2/notifications 404:/api/v1/notifications/requests
		404:/api/v1/timelines/link?url=x 404:/api/v1/polls/1 404:/api/v1/annual_reports`,
}

func TestStarts(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	s.post(ann, "public")
	me := s.id("ann")
	for app, paths := range starts {
		for _, path := range strings.Fields(paths) {
			path, missing := strings.CutPrefix(path, "404:")
			r := s.get(strings.ReplaceAll(path, "ME", me), ann)
			if !json.Valid([]byte(r.body)) || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
				t.Errorf("%s asks for %s and gets %s %q", app, path, r.Header.Get("Content-Type"), r.body)
			}
			if missing && r.StatusCode != 404 || !missing && r.StatusCode != 200 {
				t.Errorf("%s asks for %s and gets %s: %.100s", app, path, r.Status, r.body)
			}
		}
	}
}
