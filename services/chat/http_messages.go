package chat

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/porticod/portico/services/chat/store"
)

// seqParam is the seq of the path. One that cannot exist is as unknown as one
// that does not.
func seqParam(r *http.Request) (int64, error) {
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil || seq < 1 {
		return 0, store.ErrMessage
	}
	return seq, nil
}

func messageParams(r *http.Request) (store.ConvID, int64, error) {
	conv, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return 0, 0, err
	}
	seq, err := seqParam(r)
	return conv, seq, err
}

func (c *Chat) getMessage(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, seq, err := messageParams(r)
	if err != nil {
		return err
	}
	m, err := c.store.Get(r.Context(), who.user.ID, conv, seq)
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	respond(w, http.StatusOK, c.messageOf(m, who.user.ID))
	return nil
}

func (c *Chat) patchMessage(w http.ResponseWriter, r *http.Request, who *identity) error {
	seq, err := seqParam(r)
	if err != nil {
		return err
	}
	var body struct {
		Text *string `json:"text"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if body.Text == nil {
		return badRequest("text is missing")
	}
	if _, err := c.edit(r.Context(), who.person(), &editCommand{Conv: r.PathValue("conv"), Seq: seq, Text: *body.Text}); err != nil {
		return err
	}
	return c.getMessage(w, r, who)
}

func (c *Chat) deleteMessage(w http.ResponseWriter, r *http.Request, who *identity) error {
	seq, err := seqParam(r)
	if err != nil {
		return err
	}
	cmd := deleteCommand{Conv: r.PathValue("conv"), Seq: seq, For: r.URL.Query().Get("for")}
	if _, err := c.remove(r.Context(), who.person(), &cmd); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) putReaction(w http.ResponseWriter, r *http.Request, who *identity) error {
	return c.reaction(w, r, who, true)
}

func (c *Chat) deleteReaction(w http.ResponseWriter, r *http.Request, who *identity) error {
	return c.reaction(w, r, who, false)
}

func (c *Chat) reaction(w http.ResponseWriter, r *http.Request, who *identity, on bool) error {
	seq, err := seqParam(r)
	if err != nil {
		return err
	}
	cmd := reactCommand{Conv: r.PathValue("conv"), Seq: seq, Emoji: r.PathValue("emoji"), On: &on}
	if _, err := c.react(r.Context(), who.person(), &cmd); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type receiptJSON struct {
	Username string `json:"username"`
	Recv     bool   `json:"recv"`
	Read     bool   `json:"read"`
}

func (c *Chat) getReceipts(w http.ResponseWriter, r *http.Request, who *identity) error {
	conv, seq, err := messageParams(r)
	if err != nil {
		return err
	}
	limit, err := checkedLimit(r)
	if err != nil {
		return err
	}
	ms, more, err := c.store.Receipts(r.Context(), who.user.ID, conv, seq, r.URL.Query().Get("after"), limit)
	if err != nil {
		return fmt.Errorf("read receipts: %w", err)
	}
	page := struct {
		Receipts []receiptJSON `json:"receipts"`
		Next     string        `json:"next,omitempty"`
	}{Receipts: make([]receiptJSON, len(ms))}
	for i, m := range ms {
		page.Receipts[i] = receiptJSON{m.Person.Username, m.Recv >= seq, m.Read >= seq}
	}
	if more {
		page.Next = ms[len(ms)-1].Person.Username
	}
	respond(w, http.StatusOK, page)
	return nil
}

func (c *Chat) postTyping(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body typingCommand
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	body.Conv = r.PathValue("conv")
	if err := c.typing(r.Context(), who.person(), &body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) getSearch(w http.ResponseWriter, r *http.Request, who *identity) error {
	limit, err := checkedLimit(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	var conv store.ConvID
	if q.Get("conv") != "" {
		if conv, err = parseConv(q.Get("conv")); err != nil {
			return err
		}
	}
	if len(q.Get("q")) > 1000 {
		return badRequest("q has more than 1000 bytes")
	}
	found, err := c.store.Search(r.Context(), who.user.ID, q.Get("q"), conv, limit)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	respond(w, http.StatusOK, map[string]any{"messages": c.messagesOf(found, who.user.ID)})
	return nil
}

func (c *Chat) getPresence(w http.ResponseWriter, r *http.Request, who *identity) error {
	var names []string
	for name := range strings.SplitSeq(r.URL.Query().Get("users"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	people, err := c.ask(r.Context(), who.user.ID, names)
	if err != nil {
		return err
	}
	states, err := c.presenceOf(r.Context(), who.user.ID, people)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, states)
	return nil
}
