package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// talk fills the chat, conversation by conversation, so that they have the order
// that they should.
func (c *Community) talk(ctx context.Context, client *http.Client) error {
	var mu sync.Mutex
	sessions := map[string]session{}
	err := all(func(p person) error {
		s := session{base: "http://" + c.places.Chat, client: client}
		var in struct {
			Token string `json:"token"`
		}
		err := s.call(ctx, http.MethodPost, "/v1/sessions", map[string]string{"username": p.username, "password": Password, "device": "portico demo"}, &in)
		s.token = in.Token
		mu.Lock()
		defer mu.Unlock()
		sessions[p.username] = s
		return err
	})
	if err != nil {
		return err
	}
	for i, conv := range conversations {
		if err := c.converse(ctx, sessions, "demo-"+strconv.Itoa(i), conv); err != nil {
			return err
		}
	}
	return nil
}

// converse makes one conversation and says everything in it.
func (c *Community) converse(ctx context.Context, sessions map[string]session, key string, conv conversation) error {
	maker := sessions[conv.members[0]]
	in := map[string]any{"kind": "direct", "with": conv.members[len(conv.members)-1]}
	if conv.title != "" {
		in = map[string]any{"kind": "group", "cid": key, "title": conv.title, "members": conv.members[1:]}
	}
	var made id
	if err := maker.call(ctx, http.MethodPost, "/v1/conversations", in, &made); err != nil {
		return err
	}
	path := "/v1/conversations/" + made.ID
	if conv.picture != "" {
		blob, err := c.attach(ctx, maker, conv.picture)
		if err != nil {
			return err
		}
		if err := maker.call(ctx, http.MethodPatch, path, map[string]string{"avatar": blob}, nil); err != nil {
			return err
		}
	}
	seqs := make([]int64, len(conv.lines))
	for i, l := range conv.lines {
		var err error
		if seqs[i], err = c.say(ctx, sessions[l.from], path, key+"-"+strconv.Itoa(i), l, seqs); err != nil {
			return err
		}
		for _, r := range l.reactions {
			who, emoji, _ := strings.Cut(r, " ")
			at := fmt.Sprintf("%s/messages/%d/reactions/%s", path, seqs[i], url.PathEscape(emoji))
			if err := sessions[who].call(ctx, http.MethodPut, at, nil, nil); err != nil {
				return err
			}
		}
		// Everybody who will say something later has read this.
		for _, who := range conv.members {
			if who == l.from || i >= conv.readBy(who) {
				continue
			}
			if err := sessions[who].call(ctx, http.MethodPost, path+"/marks", map[string]int64{"recv": seqs[i], "read": seqs[i]}, nil); err != nil {
				return err
			}
		}
	}
	if conv.pinned != "" {
		return sessions[conv.pinned].call(ctx, http.MethodPut, path+"/settings", map[string]bool{"pinned": true}, nil)
	}
	return nil
}

func (c *Community) say(ctx context.Context, s session, path, cid string, l line, seqs []int64) (int64, error) {
	in := map[string]any{"cid": cid, "text": l.text}
	if l.replyTo > 0 {
		in["reply_to"] = seqs[l.replyTo-1]
	}
	if l.picture != "" {
		blob, err := c.attach(ctx, s, l.picture)
		if err != nil {
			return 0, err
		}
		in["attachments"] = []string{blob}
	}
	var ack struct {
		Seq int64 `json:"seq"`
	}
	err := s.call(ctx, http.MethodPost, path+"/messages", in, &ack)
	return ack.Seq, err
}

// attach uploads a picture and returns its id.
func (c *Community) attach(ctx context.Context, s session, name string) (string, error) {
	data, err := c.painted[name]()
	if err != nil {
		return "", err
	}
	var blob id
	err = s.upload(ctx, http.MethodPost, "/v1/blobs", "file", name+".jpg", data, nil, &blob)
	return blob.ID, err
}
