package photos_test

import (
	"net/url"
	"strings"
	"testing"
)

// TestAccessToStories is the matrix for stories: they are for people who signed
// in, by the relation alone.
func TestAccessToStories(t *testing.T) {
	s := open(t, "")
	readers := s.readers()
	ann, annID := readers[2].token, s.id("ann")
	for _, visibility := range []string{"public", "private"} {
		st := s.story(ann, url.Values{"visibility": {visibility}})
		id := `"id":"` + st.ID + `"`
		plain, _, _ := strings.Cut(st.Media.URL, "?")
		for _, who := range readers {
			t.Run(visibility+" for "+who.name, func(t *testing.T) {
				r := who.rel
				see := r.person && (r.self || !r.blocked && (visibility == "public" || r.follows))
				got, none := s.get(own+"/stories/"+st.ID, who.token), s.get(own+"/stories/1", who.token)
				if got.StatusCode == 200 != see || !see && got.body != none.body {
					t.Errorf("the story: %s, %s", got.Status, got.body)
				}
				if code := s.get(plain, who.token).StatusCode; code != 404 {
					t.Errorf("its bytes without a signature: %d", code)
				}
				if see {
					var seen story
					got.into(&seen)
					s.get(seen.Media.URL, "").is(200)
					s.get(seen.Media.Sizes[0].URL, "").is(200)
				}
				if !r.person {
					return
				}
				for path, want := range map[string]bool{
					own + "/stories":                        see && (r.self || r.follows) && !r.mutes,
					own + "/accounts/" + annID + "/stories": see && !r.mutes,
				} {
					if got := strings.Contains(s.get(path, who.token).is(200).body, id); got != want {
						t.Errorf("%s has it: %v", path, got)
					}
				}
				if code := s.call("POST", own+"/stories/"+st.ID+"/seen", who.token, nil).StatusCode; code == 200 != see {
					t.Errorf("saying that it was seen: %d", code)
				}
				if code := s.get(own+"/stories/"+st.ID+"/viewers", who.token).StatusCode; code == 200 != r.self {
					t.Errorf("who has seen it: %d", code)
				}
				if !r.self {
					s.call("DELETE", own+"/stories/"+st.ID, who.token, nil).is(404)
				}
			})
		}
	}
}

// TestAccessToAlbums is the matrix for albums: one needs to see the album, and
// then each post in it.
func TestAccessToAlbums(t *testing.T) {
	s := open(t, "")
	readers := s.readers()
	ann, annID := readers[2].token, s.id("ann")
	posts := map[string]status{"public": s.post(ann, "public"), "private": s.post(ann, "private"), "direct": s.post(ann, "direct")}
	for _, visibility := range []string{"public", "unlisted", "private"} {
		form := url.Values{"title": {"Sea"}, "visibility": {visibility}}
		for _, p := range posts {
			form.Add("status_ids[]", p.ID)
		}
		var al struct{ ID string }
		s.call("POST", own+"/albums", ann, form).is(200).into(&al)
		for _, who := range readers {
			t.Run(visibility+" for "+who.name, func(t *testing.T) {
				r := who.rel
				r.named = false // albums and these posts name nobody
				see := r.maySee(visibility)
				got, none := s.get(own+"/albums/"+al.ID, who.token), s.get(own+"/albums/1", who.token)
				if got.StatusCode == 200 != see || !see && got.body != none.body {
					t.Errorf("the album: %s, %s", got.Status, got.body)
				}
				in := s.get(own+"/albums/"+al.ID+"/statuses", who.token)
				if in.StatusCode == 200 != see || !see && in.body != none.body {
					t.Errorf("its posts: %s, %s", in.Status, in.body)
				}
				for v, p := range posts {
					want := see && r.maySee(v)
					if strings.Contains(in.body, `"id":"`+p.ID+`"`) != want || strings.Contains(got.body, `"`+p.ID+`"`) != want {
						t.Errorf("the %s post in it: %s", v, got.body)
					}
				}
				list := s.get(own+"/albums?account_id="+annID, who.token).body
				if want := see && (visibility != "unlisted" || r.self); strings.Contains(list, `"id":"`+al.ID+`"`) != want {
					t.Errorf("among her albums: %s", list)
				}
				if r.person && !r.self {
					s.call("PUT", own+"/albums/"+al.ID, who.token, url.Values{"title": {"mine"}}).is(404)
					s.call("DELETE", own+"/albums/"+al.ID, who.token, nil).is(404)
				}
			})
		}
	}
}
