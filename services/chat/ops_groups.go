package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat/store"
)

func (c *Chat) createGroup(ctx context.Context, me store.Person, cmd *createCommand) (*store.Summary, bool, error) {
	if err := checkCID(cmd.CID); err != nil {
		return nil, false, err
	}
	title, err := cleanTitle(cmd.Title)
	if err != nil {
		return nil, false, err
	}
	limit := c.config().MaxMembers
	if len(cmd.Members) > limit {
		return nil, false, store.ErrCrowded
	}
	blocked, err := c.accounts.BlockedSet(ctx, me.ID)
	if err != nil {
		return nil, false, fmt.Errorf("read blocks: %w", err)
	}
	g := store.GroupDraft{By: me, CID: cmd.CID, Title: title, Avatar: cmd.Avatar}
	seen := map[int64]bool{me.ID: true}
	for _, name := range cmd.Members {
		p, err := c.someone(ctx, name)
		switch {
		case errors.Is(err, account.ErrNotFound):
			g.Refusal = notFound("there is no account " + name)
			p.Username = strings.ToLower(name) // as it was when there was one
		case err != nil:
			return nil, false, err
		case blocked.Has(p.ID):
			g.Refusal = &Error{Code: CodeBlocked, Message: "one of you and " + p.Username + " has blocked the other"}
		}
		if p.ID == 0 || !seen[p.ID] {
			seen[p.ID] = true
			g.Members = append(g.Members, p)
		}
	}
	if err := c.checkPicture(ctx, me.ID, cmd.Avatar); err != nil {
		g.Refusal = cmp.Or(g.Refusal, err)
	}
	sum, created, err := c.store.CreateGroup(ctx, g, limit)
	if err != nil {
		return nil, false, fmt.Errorf("make group: %w", err)
	}
	return sum, created, nil
}

// updateGroup changes title and picture.
func (c *Chat) updateGroup(ctx context.Context, me store.Person, name string, title, avatar *string) (*store.Summary, error) {
	conv, err := parseConv(name)
	if err != nil {
		return nil, err
	}
	if title != nil {
		clean, err := cleanTitle(*title)
		if err != nil {
			return nil, err
		}
		title = &clean
	}
	if avatar != nil {
		if err := c.checkPicture(ctx, me.ID, *avatar); err != nil {
			return nil, err
		}
	}
	sum, err := c.store.UpdateGroup(ctx, me, conv, title, avatar)
	if err != nil {
		return nil, fmt.Errorf("change group: %w", err)
	}
	return sum, nil
}

// addMember adds somebody to a group, or changes what he may do.
func (c *Chat) addMember(ctx context.Context, me store.Person, name, username, role string) error {
	conv, err := parseConv(name)
	if err != nil {
		return err
	}
	if role != "" && role != store.Admin && role != store.Member {
		return badRequest(`role must be "member" or "admin"`)
	}
	p, err := c.someone(ctx, username)
	if err != nil {
		return err
	}
	blocked, err := c.accounts.BlockedSet(ctx, me.ID)
	if err != nil {
		return fmt.Errorf("read blocks: %w", err)
	}
	if err := c.store.AddMember(ctx, me, conv, p, role, c.config().MaxMembers, blocked); err != nil {
		return fmt.Errorf("add member: %w", err)
	}
	return nil
}

func (c *Chat) removeMember(ctx context.Context, me store.Person, name, username string) error {
	conv, err := parseConv(name)
	if err != nil {
		return err
	}
	p, err := c.someone(ctx, username)
	if err != nil {
		return err
	}
	if err := c.store.RemoveMember(ctx, me, conv, p); err != nil {
		return fmt.Errorf("remove member: %w", err)
	}
	return nil
}
