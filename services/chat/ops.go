package chat

import (
	"context"
	"fmt"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat/store"
)

// What can be done, once for both transports. Errors are fit for publicError.

const (
	defaultLimit = 50
	maxLimit     = 200

	maxAttachments = 10 // of a message
)

// checkLimit fills in the default and clamps.
func checkLimit(limit *int) (int, error) {
	switch {
	case limit == nil:
		return defaultLimit, nil
	case *limit < 1:
		return 0, badRequest("limit must be at least 1")
	}
	return min(*limit, maxLimit), nil
}

type sendResult struct {
	ack ackJSON
	err error
}

// send stores messages of one sender in one commit, in their order.
func (c *Chat) send(ctx context.Context, from store.Person, cmds []*sendCommand) []sendResult {
	results := make([]sendResult, len(cmds))
	drafts, at := make([]store.Draft, 0, len(cmds)), make([]int, 0, len(cmds))
	blocked, quiet, err := c.manners(ctx, from.ID)
	if err != nil {
		for i := range results {
			results[i].err = err
		}
		return results
	}
	for i, cmd := range cmds {
		d, err := c.draft(from, cmd)
		d.Blocked, d.Quiet = blocked, quiet
		if err != nil {
			results[i].err = err
			continue
		}
		drafts, at = append(drafts, d), append(at, i)
	}
	if len(drafts) == 0 {
		return results
	}
	start := time.Now()
	sent, err := c.store.Send(ctx, drafts)
	c.metrics.commit.Observe(time.Since(start).Seconds())
	for j, i := range at {
		switch {
		case err != nil:
			results[i].err = fmt.Errorf("store message: %w", err)
		case sent[j].Err != nil:
			results[i].err = sent[j].Err
		default:
			results[i].ack = ackJSON{
				Conv: convName(drafts[j].Conv), Seq: sent[j].Seq, CID: drafts[j].CID,
				At: formatTime(sent[j].At), Dup: sent[j].Dup,
			}
			if !sent[j].Dup {
				c.metrics.messages.Inc()
			}
		}
	}
	return results
}

// draft checks a message as far as that goes without the store.
func (c *Chat) draft(from store.Person, cmd *sendCommand) (store.Draft, error) {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return store.Draft{}, err
	}
	if err := checkCID(cmd.CID); err != nil {
		return store.Draft{}, err
	}
	switch err := checkText(cmd.Text, int(c.config().MaxText)); {
	case err != nil:
		return store.Draft{}, err
	case len(cmd.Attachments) == 0 && isBlank(cmd.Text):
		return store.Draft{}, badRequest("text is empty")
	case len(cmd.Attachments) > maxAttachments:
		return store.Draft{}, badRequest(fmt.Sprintf("a message has at most %d attachments", maxAttachments))
	}
	if cmd.ReplyTo < 0 {
		return store.Draft{}, store.ErrReplyTo
	}
	return store.Draft{
		From: from, Conv: conv, CID: cmd.CID, Text: cmd.Text, ReplyTo: cmd.ReplyTo, Attachments: cmd.Attachments,
		Allow:  func() (time.Duration, bool) { return c.sends.allow(from.ID) },
		Allows: func() bool { return c.sends.allows(from.ID) },
	}, nil
}

func (c *Chat) history(ctx context.Context, me store.Person, cmd *historyCommand) (historyJSON, error) {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return historyJSON{}, err
	}
	var r store.Range
	if r.Limit, err = checkLimit(cmd.Limit); err != nil {
		return historyJSON{}, err
	}
	bounds := 0
	for _, b := range []struct {
		at  *int64
		set func(int64)
	}{
		{cmd.Before, func(n int64) { r.Before, r.HasBefore = n, true }},
		{cmd.After, func(n int64) { r.After, r.HasAfter = n, true }},
		{cmd.Around, func(n int64) { r.Around, r.HasAround = n, true }},
	} {
		if b.at == nil {
			continue
		}
		if *b.at < 0 || *b.at > 1<<53 {
			return historyJSON{}, badRequest("before, after and around are a seq, 0 or above")
		}
		b.set(*b.at)
		bounds++
	}
	if bounds > 1 {
		return historyJSON{}, badRequest("give one of before, after and around")
	}
	page, err := c.store.History(ctx, me.ID, conv, r)
	if err != nil {
		return historyJSON{}, fmt.Errorf("read history: %w", err)
	}
	h := historyJSON{Messages: c.messagesOf(page.Messages, me.ID), More: page.More}
	for i := range page.Events {
		e := &page.Events[i]
		e.Cursor = 0 // it is not there to be resumed from
		h.Events = append(h.Events, c.encodeEvent(e, me.ID))
	}
	return h, nil
}

func (c *Chat) conversations(ctx context.Context, me store.Person, cmd *listCommand) (conversationsJSON, error) {
	limit, err := checkLimit(cmd.Limit)
	if err != nil {
		return conversationsJSON{}, err
	}
	sums, next, err := c.store.Conversations(ctx, me.ID, cmd.After, limit)
	if err != nil {
		return conversationsJSON{}, fmt.Errorf("list conversations: %w", err)
	}
	list := conversationsJSON{Conversations: make([]conversationJSON, len(sums)), Next: next}
	for i := range sums {
		list.Conversations[i] = c.conversationOf(&sums[i], me.ID)
	}
	return list, nil
}

// create makes a conversation, or finds it.
func (c *Chat) create(ctx context.Context, me store.Person, cmd *createCommand) (conv conversationJSON, created bool, err error) {
	var sum *store.Summary
	switch cmd.Kind {
	case store.Direct:
		sum, created, err = c.createDirect(ctx, me, cmd)
	case store.Group:
		sum, created, err = c.createGroup(ctx, me, cmd)
	default:
		return conv, false, badRequest(`kind must be "direct" or "group"`)
	}
	if err != nil {
		return conv, false, err
	}
	return c.conversationOf(sum, me.ID), created, nil
}

func (c *Chat) createDirect(ctx context.Context, me store.Person, cmd *createCommand) (*store.Summary, bool, error) {
	if cmd.With == "" {
		return nil, false, badRequest("with must name a user")
	}
	other, err := c.someone(ctx, cmd.With)
	if err != nil {
		return nil, false, err
	}
	sum, created, err := c.store.Direct(ctx, me, other)
	if err != nil {
		return nil, false, fmt.Errorf("open conversation: %w", err)
	}
	return sum, created, nil
}

// someone is a person by name.
func (c *Chat) someone(ctx context.Context, name string) (store.Person, error) {
	u, err := c.accounts.UserByName(ctx, name)
	return store.Person{ID: u.ID, Username: u.Username}, err
}

func (c *Chat) mark(ctx context.Context, me store.Person, cmd *markCommand) error {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return err
	}
	if cmd.Recv < 0 || cmd.Read < 0 {
		return badRequest("recv and read are a seq, 0 or above")
	}
	blocked, quiet, err := c.manners(ctx, me.ID)
	if err != nil {
		return err
	}
	if err := c.store.Mark(ctx, me, conv, cmd.Recv, cmd.Read, quiet, blocked); err != nil {
		return fmt.Errorf("store marks: %w", err)
	}
	return nil
}

// manners are what decides who hears of what a user does: whom he blocks or is
// blocked by, and whether he keeps to himself what he has read.
func (c *Chat) manners(ctx context.Context, user int64) (blocked *account.BlockedSet, quiet bool, err error) {
	if blocked, err = c.accounts.BlockedSet(ctx, user); err != nil {
		return nil, false, fmt.Errorf("read blocks: %w", err)
	}
	u, err := c.profile(ctx, user)
	if err != nil {
		return nil, false, err
	}
	return blocked, !u.Receipts, nil
}
