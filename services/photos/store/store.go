// Package store says what the photos service keeps: pictures, posts and what
// belongs to them. How it is kept is up to an implementation of Store; the
// bytes of pictures and the accounts are kept elsewhere.
package store

import (
	"context"
	"errors"
	"time"
)

// The errors that callers branch on.
var (
	ErrNotFound = errors.New("not found")
	// ErrMedia: a picture is not there, not the author's, or in a post already.
	ErrMedia = errors.New("no such picture to attach")
	// ErrQuota: the owner's pictures would take more bytes than allowed.
	ErrQuota = errors.New("the quota is used up")
)

// Visibility says who may see a post. The numbers are stored.
type Visibility uint8

// The visibilities, widest first. Unattached is that of a picture that is in no
// post yet: its owner's only.
const (
	Unattached Visibility = 0
	Public     Visibility = 1
	Unlisted   Visibility = 2
	Private    Visibility = 3 // followers
	Direct     Visibility = 4 // who is mentioned
)

// Visibilities are those that posts have.
var Visibilities = [...]Visibility{Public, Unlisted, Private, Direct}

func (v Visibility) String() string {
	switch v {
	case Public:
		return "public"
	case Unlisted:
		return "unlisted"
	case Private:
		return "private"
	case Direct:
		return "direct"
	}
	return "unattached"
}

// File is a picture's bytes in the blob store, and what they are.
type File struct {
	Hash          string // key in the blob store
	Type          string // media type
	Bytes         int64
	Width, Height int // as shown
}

// Media is a picture that somebody uploaded.
type Media struct {
	ID          int64 // given by the store
	Owner       int64
	Status      int64      // the post that it is in; 0: none
	Story       int64      // the story that it is in; 0: none
	Visibility  Visibility // of that post or story
	Expires     time.Time  // of that story; zero: not in one
	Description string
	FocusX      float64
	FocusY      float64
	Blurhash    string
	Original    File   // without metadata
	Sizes       []File // the ladder as far as it is made, smallest first
	Variants    []File // sizes in other types, as far as they are smaller
	Complete    bool   // there will be no more sizes
	Problem     string // why it will never be shown; empty: nothing is wrong
	Upload      int64  // for AddMedia: the upload that it came by; 0: none
}

// Bytes is what m takes of its owner's quota.
func (m Media) Bytes() int64 {
	n := m.Original.Bytes
	for _, f := range m.Sizes {
		n += f.Bytes
	}
	for _, f := range m.Variants {
		n += f.Bytes
	}
	return n
}

// Status is a post.
type Status struct {
	ID         int64 // given by the store
	Author     int64
	Visibility Visibility
	Text       string // as it was written
	Spoiler    string
	Sensitive  bool
	Language   string  // ISO 639; empty: unknown
	App        string  // that it was written with
	Media      []Media // in order

	Reply        bool      // stays true when what it answers is deleted
	Parent       int64     // what it answers; 0: nothing, or it was deleted
	ParentAuthor int64     // 0 where there is no Parent
	Thread       int64     // the id of the conversation's first post
	EditedAt     time.Time // zero: never
	Replies      int64     // public and unlisted ones
	Favourites   int64
	Mentions     []int64  // who is addressed: named or answered, ascending
	Tags         []string // normal names, in order
}

// Draft is a post about to be made.
type Draft struct {
	Status           // without what the store finds out: ID, Media, Reply and what follows, but with Parent, Mentions and Tags
	MediaIDs []int64 // in order
	// Edits are changes of its pictures, by id.
	Edits map[int64]Edit
	// Key makes repeated requests one post per author; empty: none. It is
	// forgotten after KeyLife.
	Key     string
	KeyLife time.Duration
}

// Profile is what the service itself knows of a person.
type Profile struct {
	User       int64
	Statuses   int64
	LastStatus time.Time // zero: none
	Bytes      int64     // of pictures
	Followers  int64
	Following  int64
	Requests   int64 // to follow the user, not answered

	Locked       bool // follows are asked for
	Bot          bool
	Hidden       bool // not in the directory
	NoIndex      bool
	PrivateLists bool // followers and following are the user's only
	Fields       []Field
	Avatar       File // without Hash: none
	Header       File

	// What posts are that do not say.
	Privacy   Visibility
	Sensitive bool
	Language  string
}

// Totals are counts over everything.
type Totals struct {
	Statuses   int64
	Authors    int64 // people who have posted
	Incomplete int64 // pictures whose ladder is not complete
}

// Page is a part of a list that is ordered by id, newest first. The bounds are
// excluded; 0 is none.
type Page struct {
	Max   int64 // older than
	Since int64 // newer than, the newest of them
	Min   int64 // newer than, the oldest of them
	Limit int   // at least 1
}

// Feed selects posts. Of Home, List and Tags it has one or none.
type Feed struct {
	Authors      []int64 // nil: everybody
	Visibilities []Visibility
	Viewer       int64   // sees those that address them too, and none of who they muted where Exclude is set
	Exclude      []int64 // authors who are left out; not nil: also those whom Viewer has muted
	OnlyMedia    bool    // no posts without pictures
	NoReplies    bool    // but those to oneself
	Tagged       string  // the normal name of a tag that they have
	Pinned       bool    // by their author

	Home int64     // what this person follows: people and tags, without answers
	List int64     // what the members of a list post
	Tags *TagQuery // public posts
	Page
}

// TagQuery selects by the normal names of tags.
type TagQuery struct{ Any, All, None []string }

// Edit is a change of a picture's description or focus; nil leaves it.
type Edit struct {
	Description    *string
	FocusX, FocusY *float64
}

// Store keeps rows. What it acknowledged survives a power loss. Its methods may
// be called concurrently. The caller closes it.
type Store interface {
	Social
	Posts
	Own
	Events

	// AddMedia keeps an unattached picture and gives it an id, with a job for
	// what it lacks. quota bounds the bytes of its owner; 0: no bound.
	AddMedia(ctx context.Context, m Media, quota int64) (Media, error)
	// AddSizes adds steps of the ladder; those that are there already are
	// left. complete says that there will be no more. What is to do next
	// becomes a job. A blurhash is kept where there is none yet.
	AddSizes(ctx context.Context, id int64, sizes []File, blurhash string, complete bool) error
	Media(ctx context.Context, id int64) (Media, error)
	// EditMedia changes a picture of owner.
	EditMedia(ctx context.Context, id, owner int64, e Edit) (Media, error)

	// AddStatus makes a post and attaches its pictures, or returns the post
	// that the same author made with the same key before. ErrMedia or
	// ErrPending: a picture cannot be attached.
	AddStatus(ctx context.Context, d Draft) (s Status, created bool, err error)
	Status(ctx context.Context, id int64) (Status, error)
	// DeleteStatus removes a post of author. Its pictures go with it, or are
	// unattached again where keepMedia.
	DeleteStatus(ctx context.Context, id, author int64, keepMedia bool) (Status, error)
	Feed(ctx context.Context, f Feed) ([]Status, error)
	// CountPosts counts the posts of all pages of a feed of f.Authors that f's
	// Visibilities, NoReplies and OnlyMedia let in.
	CountPosts(ctx context.Context, f Feed) (int64, error)

	// Profile of somebody who has none is empty, not an error; but that posts
	// are public.
	Profile(ctx context.Context, user int64) (Profile, error)
	Totals(ctx context.Context) (Totals, error)

	// Erase removes up to limit posts of user and up to limit pictures with
	// them, and all else that is user's with the last of them; more says that
	// there is more. The pictures that it removed are returned.
	Erase(ctx context.Context, user int64, limit int) (gone []Media, more bool, err error)

	// Sweep removes up to limit pictures that were unattached since before
	// cutoff and returns them, and forgets keys that have expired.
	Sweep(ctx context.Context, cutoff time.Time, limit int) (gone []Media, err error)
	// Referenced tells whether a picture needs the blob.
	Referenced(ctx context.Context, hash string) (bool, error)

	// Shared tells whether other nodes may have the same rows.
	Shared() bool
	// Secret returns 32 random bytes that stay the same.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Check returns why nothing can be stored at present; nil: it can.
	Check() error
	Close() error
}
