package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// profileQuery selects what scanProfile scans, for the users in a JSON list.
const profileQuery = `SELECT u.value, coalesce(p.statuses, 0), p.last_status_at, coalesce(p.bytes, 0),
	coalesce(p.followers, 0), coalesce(p.following, 0), coalesce(p.requests, 0),
	coalesce(p.locked, 0), coalesce(p.bot, 0), coalesce(p.hidden, 0), coalesce(p.noindex, 0), coalesce(p.private_lists, 0),
	coalesce(p.fields, '[]'), coalesce(p.privacy, 1), coalesce(p.sensitive, 0), coalesce(p.language, ''),
	coalesce(a.hash, ''), coalesce(a.type, ''), coalesce(a.bytes, 0), coalesce(a.width, 0), coalesce(a.height, 0),
	coalesce(h.hash, ''), coalesce(h.type, ''), coalesce(h.bytes, 0), coalesce(h.width, 0), coalesce(h.height, 0)
	FROM json_each(?) u
	LEFT JOIN profiles p ON p.user_id = u.value
	LEFT JOIN portraits a ON a.user_id = u.value AND a.kind = 1
	LEFT JOIN portraits h ON h.user_id = u.value AND h.kind = 2`

func scanProfile(r sqldb.Rows) (p store.Profile, err error) {
	var last *int64
	var fields string
	err = r.Scan(&p.User, &p.Statuses, &last, &p.Bytes, &p.Followers, &p.Following, &p.Requests,
		&p.Locked, &p.Bot, &p.Hidden, &p.NoIndex, &p.PrivateLists, &fields, &p.Privacy, &p.Sensitive, &p.Language,
		&p.Avatar.Hash, &p.Avatar.Type, &p.Avatar.Bytes, &p.Avatar.Width, &p.Avatar.Height,
		&p.Header.Hash, &p.Header.Type, &p.Header.Bytes, &p.Header.Width, &p.Header.Height)
	if err != nil {
		return p, err
	}
	if last != nil {
		p.LastStatus = time.UnixMilli(*last)
	}
	if fields != "[]" {
		err = json.Unmarshal([]byte(fields), &p.Fields)
	}
	return p, err
}

func readProfiles(q sqldb.Queryer, users []int64) (map[int64]store.Profile, error) {
	list, err := collect(q, scanProfile, profileQuery, jsonList(users))
	out := make(map[int64]store.Profile, len(list))
	for _, p := range list {
		out[p.User] = p
	}
	return out, err
}

// Profiles returns what is known of users.
func (d *DB) Profiles(ctx context.Context, users []int64) (out map[int64]store.Profile, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		out, err = readProfiles(q, users)
		return err
	})
	return out, wrap("read profiles", err)
}

// Profile returns what is known of user.
func (d *DB) Profile(ctx context.Context, user int64) (store.Profile, error) {
	all, err := d.Profiles(ctx, []int64{user})
	return all[user], err
}

// EditProfile changes how somebody shows themselves.
func (d *DB) EditProfile(ctx context.Context, user int64, edit func(*store.Profile)) (p store.Profile, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		all, err := readProfiles(tx, []int64{user})
		if err != nil {
			return err
		}
		before := all[user]
		after := before
		edit(&after)
		if err := writeProfile(tx, user, after); err != nil {
			return err
		}
		if before.Locked && !after.Locked {
			if err := grantAll(tx, user); err != nil {
				return err
			}
		}
		all, err = readProfiles(tx, []int64{user})
		p = all[user]
		return err
	})
	return p, wrap("change profile", err)
}

func writeProfile(tx *tx, user int64, p store.Profile) error {
	if p.Fields == nil {
		p.Fields = []store.Field{}
	}
	fields, err := json.Marshal(p.Fields)
	if err != nil {
		return fmt.Errorf("write fields: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO profiles (user_id, locked, bot, hidden, noindex, private_lists, fields, privacy, sensitive, language)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET locked = excluded.locked, bot = excluded.bot, hidden = excluded.hidden,
			noindex = excluded.noindex, private_lists = excluded.private_lists, fields = excluded.fields,
			privacy = excluded.privacy, sensitive = excluded.sensitive, language = excluded.language`,
		user, p.Locked, p.Bot, p.Hidden, p.NoIndex, p.PrivateLists, string(fields), p.Privacy, p.Sensitive, p.Language)
	return err
}

// grantAll lets everybody follow target who asked to.
func grantAll(tx *tx, target int64) error {
	for _, query := range []string{
		`INSERT INTO profiles (user_id, following) SELECT follower_id, 1 FROM follows WHERE target_id = ? AND state = 1
			ON CONFLICT (user_id) DO UPDATE SET following = profiles.following + 1`,
		`UPDATE profiles SET followers = followers + requests, requests = 0 WHERE user_id = ?`,
		`DELETE FROM notices WHERE user_id = ? AND kind = 'follow_request' AND status_id IS NULL`,
		`UPDATE follows SET state = 2 WHERE target_id = ? AND state = 1`,
	} {
		if _, err := tx.Exec(query, target); err != nil {
			return err
		}
	}
	return nil
}

// SetPortrait keeps an avatar or a header.
func (d *DB) SetPortrait(ctx context.Context, user int64, kind store.PortraitKind, f store.File) (old store.File, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		list, err := collect(tx, scanFile, `SELECT hash, type, bytes, width, height FROM portraits WHERE user_id = ? AND kind = ?`, user, kind)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			old = list[0]
		}
		if f.Hash == "" {
			_, err = tx.Exec(`DELETE FROM portraits WHERE user_id = ? AND kind = ?`, user, kind)
			return err
		}
		_, err = tx.Exec(`INSERT INTO portraits (user_id, kind, hash, type, bytes, width, height) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (user_id, kind) DO UPDATE SET hash = excluded.hash, type = excluded.type, bytes = excluded.bytes,
				width = excluded.width, height = excluded.height`,
			user, kind, f.Hash, f.Type, f.Bytes, f.Width, f.Height)
		return err
	})
	return old, wrap("keep portrait", err)
}

func scanFile(r sqldb.Rows) (f store.File, err error) {
	return f, r.Scan(&f.Hash, &f.Type, &f.Bytes, &f.Width, &f.Height)
}
