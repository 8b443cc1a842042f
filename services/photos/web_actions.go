package photos

import (
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

// actions are what forms and buttons of the page do: those of the API, by the id
// in the form.
func (wb *web) actions() map[string]handler {
	p := wb.p
	mark := func(kind store.MarkKind, on bool) handler { return p.marker(marking{kind, on}) }
	return map[string]handler{
		"like": mark(favourite, true), "unlike": mark(favourite, false),
		"save": mark(bookmark, true), "unsave": mark(bookmark, false),
		"pin": mark(pin, true), "unpin": mark(pin, false),
		"comment": p.createStatus, "delete": p.deleteForGood,
		"follow": p.follow, "unfollow": p.unfollow, "accept": p.grantRequest, "refuse": p.refuseRequest,
		"block": p.block, "unblock": p.unblock, "mute": p.mute, "unmute": p.unmute, "remove-follower": p.removeFollower,
		"report": p.createReport, "seen": p.seeStory, "delete-story": p.deleteStory, "read": p.readNotices,
		"follow-tag": p.tagFollower(true), "unfollow-tag": p.tagFollower(false), "dismiss": p.dismissSuggestion,
		"new-album": p.createAlbum, "edit-album": p.editAlbum, "delete-album": p.deleteAlbum,
		"resolve": operator(p.resolveReport), "reopen": operator(p.reopenReport), "retry-jobs": operator(p.retryJobs),
		"suspend": operator(p.suspend), "unsuspend": operator(p.unsuspend), "remove-post": operator(p.removePost),
		"end-session": p.endSession, "end-sessions": p.endSessions, "password": p.changePassword,
	}
}

// act is POST /do/{action}. A form comes back to where it was; a script that asks
// for JSON gets what the API says.
func (wb *web) act(v *visit) error {
	do, ok := wb.actions()[v.r.PathValue("action")]
	if !ok {
		return errNoPage
	}
	script := strings.HasPrefix(v.r.Header.Get("Accept"), "application/json")
	if !v.viewer.signedIn() {
		if script {
			v.p.writeProblem(v.w, v.r, errToken)
			return nil
		}
		return v.redirect("/login")
	}
	out, back, err := v.run(do)
	if script {
		if err != nil {
			v.p.writeProblem(v.w, v.r, err)
		} else {
			writeJSON(v.w, http.StatusOK, out)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return v.redirect(back)
}

// run calls a handler of the API with the form.
func (v *visit) run(do handler) (out any, back string, err error) {
	form, err := v.form()
	if err != nil {
		return nil, "", err
	}
	if err := v.p.limited(v.w, v.r, v.cfg, v.viewer); err != nil {
		return nil, "", err
	}
	c := v.call()
	c.params = form
	v.r.SetPathValue("id", form.String("id"))
	v.r.SetPathValue("tag", form.String("name"))
	out, err = do(c)
	return out, localPath(form.String("back")), err
}

// localPath is a path of this service; "/" for what may be another's address.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// deleteForGood deletes a post with its pictures.
func (p *Photos) deleteForGood(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return p.removeStatus(c, id, false)
}

// readNotices notes up to which notification somebody has looked.
func (p *Photos) readNotices(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	if _, err = p.store.SetMarker(c.r.Context(), c.viewer.user.ID, "notifications", id); err != nil {
		return nil, err
	}
	return entity.Empty{}, nil
}

// endSession signs a device out.
func (p *Photos) endSession(c *call) (any, error) {
	return entity.Empty{}, p.people.EndSession(c.r.Context(), c.viewer.user.ID, p.label, c.params.String("session"))
}

// endSessions signs all other devices out.
func (p *Photos) endSessions(c *call) (any, error) {
	return entity.Empty{}, p.people.EndSessions(c.r.Context(), c.viewer.user.ID, p.label, c.viewer.session.ID)
}

// changePassword ends all sessions but this one.
func (p *Photos) changePassword(c *call) (any, error) {
	err := p.people.SetPassword(c.r.Context(), c.viewer.user.ID, c.params.String("old"), c.params.String("new"), c.viewer.session.ID)
	return entity.Empty{}, formError(err)
}

// saveSettings takes the form of the profile.
func (wb *web) saveSettings(v *visit) error {
	form, err := v.form()
	if err == nil {
		err = v.saveProfile(form)
	}
	if err != nil {
		return v.showSettings(err)
	}
	return v.redirect("/settings?saved")
}

// saveProfile changes what the form has; a box that is not ticked is not sent.
func (v *visit) saveProfile(form *params.Values) error {
	c := v.call()
	c.params = form
	texts := account.ProfileEdit{Name: c.text("display_name"), About: c.text("note")}
	privacy, err := visibilityOf(form.String("privacy"))
	if err != nil || privacy == store.Direct {
		return invalid("choose who sees new posts")
	}
	if _, err := v.p.people.UpdateProfile(v.r.Context(), v.viewer.user.ID, texts); err != nil {
		return formError(err)
	}
	_, err = v.p.store.EditProfile(v.r.Context(), v.viewer.user.ID, func(p *store.Profile) {
		p.Locked, p.Hidden, p.PrivateLists = form.Bool(false, "locked"), !form.Bool(false, "discoverable"), form.Bool(false, "hide_collections")
		p.Privacy = privacy
	})
	return err
}

// saveAvatar takes the form with a picture of oneself, or removes it.
func (wb *web) saveAvatar(v *visit) error {
	if err := v.p.uploads.enter(v.viewer.user.ID); err != nil {
		return v.showSettings(err)
	}
	defer v.p.uploads.leave(v.viewer.user.ID)
	files, form, err := v.files(1)
	defer closeAll(files)
	if err == nil {
		switch {
		case len(files) > 0:
			err = v.p.takePortrait(v.r.Context(), v.viewer.user.ID, portraits[0], files[0])
		case form.Bool(false, "remove"):
			err = v.p.dropPortrait(v.r.Context(), v.viewer.user.ID, store.Avatar)
		}
	}
	if err != nil {
		return v.showSettings(err)
	}
	return v.redirect("/settings?saved")
}
