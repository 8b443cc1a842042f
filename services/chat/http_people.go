package chat

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat/store"
)

func (c *Chat) patchMe(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body struct {
		Name     *string           `json:"name"`
		About    *string           `json:"about"`
		Avatar   *string           `json:"avatar"`
		LastSeen *account.Audience `json:"last_seen"`
		Receipts *bool             `json:"receipts"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	ctx := r.Context()
	if body.Avatar != nil {
		if err := c.checkPicture(ctx, who.user.ID, *body.Avatar); err != nil {
			return err
		}
	}
	user, err := c.accounts.UpdateProfile(ctx, who.user.ID, account.ProfileEdit{
		Name: body.Name, About: body.About, Avatar: body.Avatar, Service: c.env.Label(), LastSeen: body.LastSeen, Receipts: body.Receipts,
	})
	if err != nil {
		return err
	}
	if body.Avatar != nil {
		if err := c.store.SetAvatar(ctx, who.person(), *body.Avatar); err != nil {
			return fmt.Errorf("set picture: %w", err)
		}
		c.wakeWorker()
	}
	respond(w, http.StatusOK, c.selfOf(user))
	return nil
}

// checkPicture accepts what may be an avatar: a picture that user may see, or
// none.
func (c *Chat) checkPicture(ctx context.Context, user int64, id string) error {
	if id == "" {
		return nil
	}
	switch b, err := c.store.Blob(ctx, user, id); {
	case err != nil:
		return fmt.Errorf("find picture: %w", err)
	case b.Width == 0:
		return badRequest("avatar is no picture")
	}
	return nil
}

// deleteMe ends the account everywhere. The rest is done by the worker, and by
// the other services.
func (c *Chat) deleteMe(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body struct {
		Password string `json:"password"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	switch err := c.accounts.CheckPassword(r.Context(), who.user.ID, body.Password); {
	case errors.Is(err, account.ErrCredentials):
		return &Error{Code: CodeForbidden, Message: "the password is wrong"}
	case err != nil:
		return err
	}
	if err := c.accounts.Delete(r.Context(), who.user.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) putBlock(w http.ResponseWriter, r *http.Request, who *identity) error {
	other, err := c.someone(r.Context(), r.PathValue("username"))
	if err != nil {
		return err
	}
	if err := c.accounts.Block(r.Context(), who.user.ID, other.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) deleteBlock(w http.ResponseWriter, r *http.Request, who *identity) error {
	other, err := c.someone(r.Context(), r.PathValue("username"))
	if err != nil {
		return err
	}
	if err := c.accounts.Unblock(r.Context(), who.user.ID, other.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) getBlocks(w http.ResponseWriter, r *http.Request, who *identity) error {
	limit, err := checkedLimit(r)
	if err != nil {
		return err
	}
	after := int64(0)
	if s := r.URL.Query().Get("after"); s != "" {
		if after, err = strconv.ParseInt(s, 36, 64); err != nil || after < 1 {
			return store.ErrCursor
		}
	}
	blocks, err := c.accounts.Blocks(r.Context(), who.user.ID, after, limit)
	if err != nil {
		return err
	}
	page := struct {
		Users []userJSON `json:"users"`
		Next  string     `json:"next,omitempty"`
	}{Users: []userJSON{}}
	for _, b := range blocks {
		if u, err := c.profile(r.Context(), b.OtherID); err == nil {
			page.Users = append(page.Users, c.userOf(u, who.user.ID))
		} else if !errors.Is(err, account.ErrNotFound) {
			return err
		}
	}
	if len(blocks) == limit {
		page.Next = strconv.FormatInt(blocks[limit-1].ID, 36)
	}
	respond(w, http.StatusOK, page)
	return nil
}

// An exporter writes one's own data as lines of JSON.
type exporter struct {
	c   *Chat
	ctx context.Context
	who *identity
	buf *bufio.Writer
	enc *json.Encoder
	ctl *http.ResponseController
}

// getExport streams what there is. Errors amid it end the connection, so that
// nobody takes a part for the whole; the last line says end.
func (c *Chat) getExport(w http.ResponseWriter, r *http.Request, who *identity) error {
	if err := c.allowExport(who.user.ID); err != nil {
		return err
	}
	sessions, err := c.accounts.Sessions(r.Context(), who.user.ID, c.env.Label())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="chat-`+who.user.Username+`.jsonl"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	e := &exporter{c: c, ctx: r.Context(), who: who, buf: bufio.NewWriterSize(w, 64<<10), ctl: http.NewResponseController(w)}
	e.enc = json.NewEncoder(e.buf)
	e.enc.SetEscapeHTML(false)
	if err := e.all(sessions); err != nil {
		if r.Context().Err() == nil {
			c.blame(fmt.Errorf("export: %w", err))
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// line writes an object of a type.
func (e *exporter) line(typ string, v any) error {
	return e.enc.Encode(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{typ, v})
}

func (e *exporter) all(sessions []account.Session) error {
	me := e.who.user
	if err := e.line("user", e.c.selfOf(me)); err != nil {
		return err
	}
	for _, s := range sessions {
		if err := e.line("session", sessionOf(s, e.who)); err != nil {
			return err
		}
	}
	if err := e.blocks(); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := e.c.conversations(e.ctx, e.who.person(), &listCommand{After: after})
		if err != nil {
			return err
		}
		for _, conv := range page.Conversations {
			if err := e.conversation(conv); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	return errors.Join(e.line("end", struct{}{}), e.flush())
}

func (e *exporter) blocks() error {
	for after := int64(0); ; {
		blocks, err := e.c.accounts.Blocks(e.ctx, e.who.user.ID, after, maxLimit)
		if err != nil || len(blocks) == 0 {
			return err
		}
		for _, b := range blocks {
			after = b.ID
			if u, err := e.c.profile(e.ctx, b.OtherID); err == nil {
				if err := e.line("block", u.Username); err != nil {
					return err
				}
			}
		}
	}
}

func (e *exporter) conversation(conv conversationJSON) error {
	if err := e.line("conversation", conv); err != nil {
		return err
	}
	limit := maxLimit
	for after := int64(0); ; {
		h, err := e.c.history(e.ctx, e.who.person(), &historyCommand{Conv: conv.ID, After: &after, Limit: &limit})
		if err != nil {
			return err
		}
		for _, m := range h.Messages {
			after = m.Seq
			if err := e.line("message", m); err != nil {
				return err
			}
		}
		if err := e.flush(); err != nil || !h.More {
			return err
		}
	}
}

// flush gives the client as long for each page as for a batch of events.
func (e *exporter) flush() error {
	_ = e.ctl.SetWriteDeadline(time.Now().Add(drainTimeout)) // what does not support it has its own
	return e.buf.Flush()
}
