package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// What can be done, once for both transports. Errors are fit for publicError.

const (
	defaultLimit = 50
	maxLimit     = 200
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
	for i, cmd := range cmds {
		d, err := c.draft(from, cmd)
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
	if len(cmd.Attachments) > 0 {
		return store.Draft{}, badRequest("attachments are not there yet")
	}
	if err := checkText(cmd.Text, int(c.config().MaxText)); err != nil {
		return store.Draft{}, err
	}
	if cmd.ReplyTo < 0 {
		return store.Draft{}, store.ErrReplyTo
	}
	return store.Draft{
		From: from, Conv: conv, CID: cmd.CID, Text: cmd.Text, ReplyTo: cmd.ReplyTo,
		Allow: func() (time.Duration, bool) { return c.sends.allow(from.ID) },
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
	msgs, more, err := c.store.History(ctx, me.ID, conv, r)
	if err != nil {
		return historyJSON{}, fmt.Errorf("read history: %w", err)
	}
	h := historyJSON{Messages: make([]messageJSON, len(msgs)), More: more}
	for i := range msgs {
		h.Messages[i] = messageOf(&msgs[i])
	}
	return h, nil
}

func (c *Chat) conversations(ctx context.Context, me store.Person, cmd *listCommand) (conversationsJSON, error) {
	limit, err := checkLimit(cmd.Limit)
	if err != nil {
		return conversationsJSON{}, err
	}
	sums, next, err := c.store.Conversations(ctx, me.ID, cmd.After, limit)
	if errors.Is(err, store.ErrNotFound) {
		return conversationsJSON{}, badRequest("after must be the next of the page before")
	} else if err != nil {
		return conversationsJSON{}, fmt.Errorf("list conversations: %w", err)
	}
	list := conversationsJSON{Conversations: make([]conversationJSON, len(sums)), Next: next}
	for i := range sums {
		list.Conversations[i] = conversationOf(&sums[i])
	}
	return list, nil
}

// create makes a direct conversation, or finds it.
func (c *Chat) create(ctx context.Context, me store.Person, cmd *createCommand) (conv conversationJSON, created bool, err error) {
	switch {
	case cmd.Kind == "group":
		return conv, false, badRequest("groups are not there yet")
	case cmd.Kind != "direct":
		return conv, false, badRequest(`kind must be "direct"`)
	case cmd.With == "":
		return conv, false, badRequest("with must name a user")
	}
	other, err := c.accounts.UserByName(ctx, cmd.With)
	if err != nil {
		return conv, false, err
	}
	sum, created, err := c.store.Direct(ctx, me, store.Person{ID: other.ID, Username: other.Username})
	if err != nil {
		return conv, false, fmt.Errorf("open conversation: %w", err)
	}
	return conversationOf(sum), created, nil
}

func (c *Chat) mark(ctx context.Context, me store.Person, cmd *markCommand) error {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return err
	}
	if cmd.Recv < 0 || cmd.Read < 0 {
		return badRequest("recv and read are a seq, 0 or above")
	}
	if err := c.store.Mark(ctx, me, conv, cmd.Recv, cmd.Read); err != nil {
		return fmt.Errorf("store marks: %w", err)
	}
	return nil
}
