package chat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

func (c *Chat) patchConversation(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body struct {
		Title  *string `json:"title"`
		Avatar *string `json:"avatar"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	sum, err := c.updateGroup(r.Context(), who.person(), r.PathValue("conv"), body.Title, body.Avatar)
	if err != nil {
		return err
	}
	c.wakeWorker() // an old picture may be loose
	respond(w, http.StatusOK, c.conversationOf(sum, who.user.ID))
	return nil
}

func (c *Chat) deleteConversation(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	if err := c.store.Clear(r.Context(), who.person(), conv); err != nil {
		return fmt.Errorf("clear conversation: %w", err)
	}
	c.wakeWorker()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type settingsJSON struct {
	MutedUntil json.RawMessage `json:"muted_until"`
	Archived   *bool           `json:"archived"`
	Pinned     *bool           `json:"pinned"`
	Unread     *bool           `json:"unread"`
}

// settings reads what is to change; muted_until is a time, or null for not muted.
func (s *settingsJSON) settings() (store.Settings, error) {
	set := store.Settings{Archived: s.Archived, Pinned: s.Pinned, Unread: s.Unread}
	if s.MutedUntil == nil {
		return set, nil
	}
	var at *time.Time
	if err := json.Unmarshal(s.MutedUntil, &at); err != nil || at != nil && (at.Year() < 1970 || at.Year() > 9999) {
		return set, badRequest("muted_until must be a time such as 2030-01-31T12:00:00Z, or null")
	}
	until := int64(0)
	if at != nil {
		until = at.UnixMilli()
	}
	set.MutedUntil = &until
	return set, nil
}

func (c *Chat) putSettings(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	var body settingsJSON
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	set, err := body.settings()
	if err != nil {
		return err
	}
	if err := c.store.Configure(r.Context(), who.person(), conv, set); err != nil {
		return fmt.Errorf("store settings: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) putMember(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body struct {
		Role string `json:"role"`
	}
	if r.ContentLength != 0 {
		if err := readBody(w, r, &body); err != nil {
			return err
		}
	}
	if err := c.addMember(r.Context(), who.person(), r.PathValue("conv"), r.PathValue("username"), body.Role); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) deleteMember(w http.ResponseWriter, r *http.Request, who *identity) error {
	if err := c.removeMember(r.Context(), who.person(), r.PathValue("conv"), r.PathValue("username")); err != nil {
		return err
	}
	c.wakeWorker()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type inviteJSON struct {
	Code string `json:"code"`
	URL  string `json:"url"`
}

func (c *Chat) postInvite(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	var body struct {
		Reset bool `json:"reset"`
	}
	if r.ContentLength != 0 {
		if err := readBody(w, r, &body); err != nil {
			return err
		}
	}
	code, err := c.store.Invite(r.Context(), who.person(), conv, body.Reset)
	if err != nil {
		return fmt.Errorf("make invite: %w", err)
	}
	respond(w, http.StatusCreated, inviteJSON{code, c.link("/#join=" + code)})
	return nil
}

func (c *Chat) deleteInvite(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	if err := c.store.Uninvite(r.Context(), who.person(), conv); err != nil {
		return fmt.Errorf("end invite: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getInvite shows what one is invited to: whoever has the code may know.
func (c *Chat) getInvite(w http.ResponseWriter, r *http.Request, _ *identity) error {
	sum, err := c.store.Invited(r.Context(), r.PathValue("code"))
	if err != nil {
		return fmt.Errorf("read invite: %w", err)
	}
	respond(w, http.StatusOK, map[string]any{"title": sum.Title, "members_count": sum.MembersCount})
	return nil
}

func (c *Chat) postInvited(w http.ResponseWriter, r *http.Request, who *identity) error {
	sum, joined, err := c.store.Join(r.Context(), who.person(), r.PathValue("code"), c.config().MaxMembers)
	if err != nil {
		return fmt.Errorf("join group: %w", err)
	}
	status := http.StatusOK
	if joined {
		status = http.StatusCreated
	}
	respond(w, status, c.conversationOf(sum, who.user.ID))
	return nil
}
