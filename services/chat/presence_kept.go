package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keptLife is how old a list of who was online may be to be of use.
const keptLife = time.Minute

// keptOnline is who was online when the process before came to its end. Clients
// whose connections go on are told nothing of those who stay, and who does not
// come back has to be announced as gone.
type keptOnline struct {
	At    int64   `json:"at"` // Unix milliseconds
	Users []int64 `json:"users"`
}

// onlineFile lies where nothing outlives the next Open.
func (c *Chat) onlineFile() string { return filepath.Join(c.env.Dir, "tmp", "online.json") }

// keepPresence writes down who is online, for the next process.
func (c *Chat) keepPresence() error {
	kept := keptOnline{At: time.Now().UnixMilli()}
	c.presence.mu.Lock()
	for user := range c.presence.online {
		kept.Users = append(kept.Users, user)
	}
	c.presence.mu.Unlock()
	b, err := json.Marshal(kept)
	if err == nil {
		err = os.WriteFile(c.onlineFile(), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep who is online: %w", err)
	}
	return nil
}

// takePresence goes on with what the process before kept: they are online, and
// offline after a while if they do not come back.
func (c *Chat) takePresence() error {
	b, err := os.ReadFile(c.onlineFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept keptOnline
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil {
		return fmt.Errorf("read who was online: %w", err)
	}
	now := time.Now()
	if age := now.Sub(time.UnixMilli(kept.At)); age < 0 || age > keptLife {
		return nil
	}
	p := c.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, user := range kept.Users {
		p.online[user], p.leaving[user] = struct{}{}, now
		c.wheel.add(&departure{c, user, now}, p.grace)
	}
	return nil
}
