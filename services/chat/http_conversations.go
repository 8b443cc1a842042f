package chat

import (
	"fmt"
	"net/http"
)

func (c *Chat) postConversations(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body createCommand
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	conv, created, err := c.create(r.Context(), who.person(), &body)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	respond(w, status, conv)
	return nil
}

func (c *Chat) getConversations(w http.ResponseWriter, r *http.Request, who *identity) error {
	limit, err := limitParam(r)
	if err != nil {
		return err
	}
	list, err := c.conversations(r.Context(), who.person(), &listCommand{After: r.URL.Query().Get("after"), Limit: limit})
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, list)
	return nil
}

func (c *Chat) getConversation(w http.ResponseWriter, r *http.Request, who *identity) error {
	id, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	sum, err := c.store.Conversation(r.Context(), who.user.ID, id)
	if err != nil {
		return fmt.Errorf("read conversation: %w", err)
	}
	respond(w, http.StatusOK, c.conversationOf(sum, who.user.ID))
	return nil
}

func (c *Chat) getMembers(w http.ResponseWriter, r *http.Request, who *identity) error {
	id, err := parseConv(r.PathValue("conv"))
	if err != nil {
		return err
	}
	limit, err := checkedLimit(r)
	if err != nil {
		return err
	}
	members, more, err := c.store.Members(r.Context(), who.user.ID, id, r.URL.Query().Get("after"), limit)
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	page := struct {
		Members []memberJSON `json:"members"`
		Next    string       `json:"next,omitempty"`
	}{Members: make([]memberJSON, len(members))}
	for i, m := range members {
		page.Members[i] = memberJSON{m.Person.Username, m.Role, m.Recv, m.Read}
	}
	if more {
		page.Next = members[len(members)-1].Person.Username
	}
	respond(w, http.StatusOK, page)
	return nil
}

func (c *Chat) postMessages(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body sendCommand
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	body.Conv = r.PathValue("conv")
	// A client that leaves now will ask again with the same cid.
	res := c.send(r.Context(), who.person(), []*sendCommand{&body})[0]
	if res.err != nil {
		return res.err
	}
	status := http.StatusCreated
	if res.ack.Dup {
		status = http.StatusOK
	}
	respond(w, status, res.ack)
	return nil
}

func (c *Chat) getMessages(w http.ResponseWriter, r *http.Request, who *identity) error {
	cmd := historyCommand{Conv: r.PathValue("conv")}
	var err error
	if cmd.Limit, err = limitParam(r); err != nil {
		return err
	}
	for name, into := range map[string]**int64{"before": &cmd.Before, "after": &cmd.After, "around": &cmd.Around} {
		if *into, err = intParam(r, name); err != nil {
			return err
		}
	}
	h, err := c.history(r.Context(), who.person(), &cmd)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, h)
	return nil
}

func (c *Chat) postMarks(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body markCommand
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	body.Conv = r.PathValue("conv")
	if err := c.mark(r.Context(), who.person(), &body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
