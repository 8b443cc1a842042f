package chat

import (
	"context"
	"fmt"

	"github.com/porticod/portico/services/chat/store"
)

func (c *Chat) edit(ctx context.Context, me store.Person, cmd *editCommand) (didJSON, error) {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return didJSON{}, err
	}
	if err := checkText(cmd.Text, int(c.config().MaxText)); err != nil {
		return didJSON{}, err
	}
	if isBlank(cmd.Text) {
		cmd.Text = ""
	}
	blocked, err := c.accounts.BlockedSet(ctx, me.ID)
	if err != nil {
		return didJSON{}, fmt.Errorf("read blocks: %w", err)
	}
	did, err := c.store.Edit(ctx, me, conv, cmd.Seq, cmd.Text, blocked)
	return didOf(conv, did), wrapped("edit message", err)
}

// remove deletes a message for everybody, or for oneself.
func (c *Chat) remove(ctx context.Context, me store.Person, cmd *deleteCommand) (didJSON, error) {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return didJSON{}, err
	}
	switch cmd.For {
	case "", "all":
		did, err := c.store.Delete(ctx, me, conv, cmd.Seq)
		if err == nil {
			c.wakeWorker()
		}
		return didOf(conv, did), wrapped("delete message", err)
	case "me":
		err := c.store.Hide(ctx, me, conv, cmd.Seq)
		return didJSON{Conv: cmd.Conv, Seq: cmd.Seq}, wrapped("hide message", err)
	}
	return didJSON{}, badRequest(`for must be "me" or absent`)
}

func (c *Chat) react(ctx context.Context, me store.Person, cmd *reactCommand) (didJSON, error) {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return didJSON{}, err
	}
	if err := checkEmoji(cmd.Emoji); err != nil {
		return didJSON{}, err
	}
	blocked, err := c.accounts.BlockedSet(ctx, me.ID)
	if err != nil {
		return didJSON{}, fmt.Errorf("read blocks: %w", err)
	}
	did, err := c.store.React(ctx, me, conv, cmd.Seq, cmd.Emoji, isOn(cmd.On), blocked)
	return didOf(conv, did), wrapped("react", err)
}

func didOf(conv store.ConvID, did store.Did) didJSON {
	return didJSON{convName(conv), did.Seq, formatTime(did.At)}
}

func wrapped(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
