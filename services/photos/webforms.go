package photos

import (
	"errors"
	"io"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

// cookieLife is how long a browser stays signed in, in seconds: a year.
const cookieLife = 365 * 24 * 3600

func (v *visit) form() (*params.Values, error) { return params.Read(v.w, v.r, 0, nil) }

func (wb *web) signIn(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	u, err := v.p.people.SignIn(v.r.Context(), form.String("username"), form.String("password"), peer(v.r))
	if err == nil {
		err = v.startSession(u)
	}
	return v.formDone("login.html", page{Heading: "Sign in", Username: form.String("username")}, err)
}

func (wb *web) signUp(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	u, err := v.p.people.SignUp(v.r.Context(), account.NewUser{
		Username: form.String("username"), Password: form.String("password"),
		Invite: form.String("invite_code"), From: peer(v.r),
	})
	if err == nil {
		err = v.startSession(u)
	}
	return v.formDone("signup.html", page{Heading: "Sign up", Username: form.String("username")}, formError(err))
}

// formDone goes to the pictures, or shows the form again with what was wrong.
func (v *visit) formDone(name string, pg page, err error) error {
	if err != nil {
		v.showProblem(name, pg, err)
		return nil
	}
	return v.redirect("/")
}

// startSession signs u in, in this browser.
func (v *visit) startSession(u account.User) error {
	token, _, err := v.p.people.StartSession(v.r.Context(), u, account.Session{Service: v.p.label, Device: "Web"})
	if err == nil {
		v.setCookie(token, cookieLife)
	}
	return err
}

func (wb *web) signOut(v *visit) error {
	v.setCookie("", -1)
	if v.viewer.signedIn() {
		err := v.p.people.EndSession(v.r.Context(), v.viewer.user.ID, v.p.label, v.viewer.session.ID)
		if err != nil && !errors.Is(err, account.ErrToken) {
			return err
		}
	}
	return v.redirect("/")
}

func (wb *web) uploadForm(v *visit) error {
	return v.show("upload.html", page{Heading: "New post", Nav: "upload"})
}

// upload takes the form with up to maxPictures files and makes a post of them.
func (wb *web) upload(v *visit) error { return v.take("New post", v.share) }

// uploadStory takes the form with one file and makes a story of it.
func (wb *web) uploadStory(v *visit) error { return v.take("New post", v.shareStory) }

func (v *visit) take(heading string, do func() (to string, err error)) error {
	if !v.viewer.signedIn() {
		return v.redirect("/login")
	}
	to, err := do()
	if err != nil {
		v.showProblem("upload.html", page{Heading: heading, Nav: "upload"}, err)
		return nil
	}
	return v.redirect(to)
}

// files reads a form with up to most files, which the caller closes.
func (v *visit) files(most int) (files []*spool, form *params.Values, err error) {
	limit := int64(most)*int64(v.cfg.MaxUpload) + params.MaxText
	form, err = params.Read(v.w, v.r, limit, func(name, filename string, r io.Reader) error {
		if name != "file" || filename == "" {
			return nil
		}
		if len(files) == most {
			return invalid("a post has at most %d pictures", most)
		}
		f, err := v.p.spool(r, int64(v.cfg.MaxUpload))
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	if errors.Is(err, params.ErrTooLarge) {
		err = tooLarge(v.cfg)
	}
	return files, form, err
}

func closeAll(files []*spool) {
	for _, f := range files {
		f.close()
	}
}

func (v *visit) share() (to string, err error) {
	if err := v.p.uploads.enter(v.viewer.user.ID); err != nil {
		return "", err
	}
	defer v.p.uploads.leave(v.viewer.user.ID)
	files, form, err := v.files(maxPictures)
	defer closeAll(files)
	if err != nil {
		return "", err
	}
	c := v.call()
	c.params = form
	d, err := v.p.draft(c, len(files), form.String("key"))
	if err != nil {
		return "", err
	}
	if d.MediaIDs, err = v.addAll(files, form.Strings("description")); err != nil {
		return "", err
	}
	s, err := v.p.addStatus(c, d)
	if err != nil {
		return "", err
	}
	e, err := v.renderer().status(s)
	return e.URL, err
}

func (v *visit) shareStory() (to string, err error) {
	if err := v.p.uploads.enter(v.viewer.user.ID); err != nil {
		return "", err
	}
	defer v.p.uploads.leave(v.viewer.user.ID)
	files, form, err := v.files(1)
	defer closeAll(files)
	if err != nil {
		return "", err
	}
	c := v.call()
	c.params = form
	if len(files) == 1 {
		c.upload = files[0]
	}
	if _, err := v.p.createStory(c); err != nil {
		return "", err
	}
	return "/stories/" + v.viewer.user.Username, nil
}

// addAll stores the files in their order, each with its description.
func (v *visit) addAll(files []*spool, descriptions []string) (ids []int64, err error) {
	for i, f := range files {
		var e store.Edit
		if i < len(descriptions) {
			e.Description = new(strings.TrimSpace(descriptions[i]))
			if tooLong(*e.Description, v.cfg.Limits.Description) {
				return nil, invalid("a description is longer than %d characters", v.cfg.Limits.Description)
			}
		}
		m, err := v.p.addPicture(v.r.Context(), v.cfg, newPicture{owner: v.viewer.user.ID, source: f, edit: e, patient: true})
		if err != nil {
			return nil, err
		}
		ids = append(ids, m.ID)
	}
	return ids, nil
}
