// Package store says what a chat keeps: conversations, what happened in them,
// positions, marks, and who holds which attachment. How it is kept is up to an
// implementation of Store. It knows nothing of accounts beyond an id and a name,
// and nothing of connections or of the bytes of attachments.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The errors that callers branch on.
var (
	ErrNotFound    = errors.New("no such conversation")            // or one is no member of it
	ErrMessage     = errors.New("no such message")                 // or one may not see it
	ErrMember      = errors.New("no such member")                  //
	ErrBlob        = errors.New("no such attachment")              // or one may not see it
	ErrInvite      = errors.New("no such invite")                  //
	ErrCursor      = errors.New("no such place in a list")         //
	ErrForbidden   = errors.New("not allowed in this role")        //
	ErrLeft        = errors.New("not a member any more")           //
	ErrBlocked     = errors.New("one of the two blocks the other") //
	ErrGroupOnly   = errors.New("only groups have this")           //
	ErrCrowded     = errors.New("the group has no room left")      //
	ErrQuota       = errors.New("the quota is used up")            //
	ErrEmpty       = errors.New("neither text nor attachments")    // would be left by an edit
	ErrConflict    = errors.New("cid used for another body")       //
	ErrReplyTo     = errors.New("no such message to reply to")     //
	ErrTooMany     = errors.New("too many events were missed")     //
	ErrUnavailable = errors.New("the store cannot do this now")    // nothing is known of what was stored
	ErrFull        = errors.New("there is no room to store it")    // nothing was stored
)

// Limited is the error of a send that came too soon.
type Limited struct{ After time.Duration }

func (e *Limited) Error() string { return fmt.Sprintf("too many sends; again after %s", e.After) }

// ConvID is a conversation's key. It is never used again.
type ConvID int64

// A Person is who takes part: the account's id and username.
type Person struct {
	ID       int64
	Username string
}

// A Blocker knows whom a person blocks or is blocked by. It must not block: it
// is asked while others wait to write.
type Blocker interface{ Has(person int64) bool }

// EventType says what an event is about. Numbers are on disk.
type EventType uint8

// The types of events. Those from 100 on are not rows of the log: they are read
// off the state, and of many that a client missed it gets one, with what holds
// now.
const (
	Message      EventType = 1
	Edit         EventType = 2
	Delete       EventType = 3
	Reaction     EventType = 4
	Membership   EventType = 5
	Change       EventType = 6   // of a group's title or picture
	Conversation EventType = 100 // it appeared in one's list, or changed
	Mark         EventType = 101 // a member received or read more
	Hidden       EventType = 102 // a message was deleted for oneself
	Gone         EventType = 103 // the conversation is not in one's list any more
)

// Actions of Membership, and of Change.
const (
	Added   = "added"
	Left    = "left"
	Removed = "removed"
	RoleSet = "role"

	Titled   = "title"
	Pictured = "avatar"
)

// Roles, and kinds of conversations.
const (
	Owner  = "owner"
	Admin  = "admin"
	Member = "member"

	Direct = "direct"
	Group  = "group"
)

// An Event is one position of the log.
type Event struct {
	Cursor  int64
	Type    EventType
	Conv    ConvID
	Seq     int64 // 0: of none that is counted
	From    Person
	At      int64  // Unix milliseconds
	Target  int64  // seq of the message that an edit, deletion or reaction is about
	Text    string // of Change: the title that was given
	CID     string
	ReplyTo int64 // 0: none

	EditedAt    int64 // 0: never
	Deleted     bool  // of a message, or of the one that was edited
	Attachments []Blob
	Reactions   []ReactionCount // in history and replay; a message that is pushed has none

	Emoji string // of Reaction
	On    bool

	User   Person // of Membership: whose it is
	Action string
	Role   string

	Recv, Read int64 // of Mark

	Summary *Summary // of Conversation and Change, as receivers see it; not in history

	// Audience is who gets the event, nobody of it more than once. It is set on
	// committed events only, not on those that are read for one person, and it
	// is shared: nobody writes to it.
	Audience []int64
}

// ReactionCount is who reacted to a message with an emoji.
type ReactionCount struct {
	Emoji string
	Count int
	Users []string // the first ReactionUsers
	Mine  bool
}

// ReactionUsers is how many people a ReactionCount names.
const ReactionUsers = 20

// A Summary is a conversation as one member sees it.
type Summary struct {
	ID           ConvID
	Kind         string
	Title        string
	Avatar       string   // blob; empty: none
	Members      []string // usernames, the first MaxSummaryMembers by name
	MembersCount int
	LastSeq      int64
	CreatedBy    string // username
	CreatedAt    int64  // Unix milliseconds

	// Shared says that only what is above is set, because the event goes to all
	// members.
	Shared bool

	Role         string // empty: one has left
	FromSeq      int64
	Recv, Read   int64
	Unread       int64
	Last         *Event // newest message; nil: none
	MutedUntil   int64  // Unix milliseconds; 0: not muted
	Archived     bool
	Pinned       bool
	MarkedUnread bool // by hand

	Order int64 // place in the list
}

// MaxSummaryMembers is how many members a Summary names.
const MaxSummaryMembers = 64

// MaxMarkAudience is the size up to which all members hear of marks and typing.
// In larger conversations of marks only the member's own devices do.
const MaxMarkAudience = 64

// PageBytes ends a page of messages early; the next one goes on from there.
const PageBytes = 512 << 10

// A Page is a part of a conversation's history.
type Page struct {
	Messages []Event // in the order of seq
	// Events are memberships and changes in the same stretch: pages that follow
	// on one another have each of them once, but no page more than MaxPageEvents.
	Events []Event
	More   bool // there are further messages in the direction that was asked for
}

// MaxPageEvents is how many Events a page has: the nearest to its bound.
const MaxPageEvents = 200

// A MemberInfo is one person in a conversation.
type MemberInfo struct {
	Person     Person
	Role       string
	Recv, Read int64
}

// A Blob is an attachment: bytes in the blob store and what they are.
type Blob struct {
	ID            string // random
	Hash          string // key in the blob store, SHA-256
	Name          string
	Type          string // sniffed
	Size          int64
	Width, Height int // of pictures; 0: none
}

// A Draft is a message to be stored. What it holds was checked already, as far
// as that goes without the store.
type Draft struct {
	From        Person
	Conv        ConvID
	CID         string
	Text        string
	ReplyTo     int64    // 0: none
	Attachments []string // ids of blobs
	Quiet       bool     // others do not learn that the sender has read what is above
	// Allow is asked once it is sure that the message is a new one; ok false
	// refuses it with Limited; nil: whatever comes is allowed. Allows, which may
	// be nil, says that Allow would. They must not block.
	Allow   func() (after time.Duration, ok bool)
	Allows  func() bool
	Blocked Blocker // of From; nil: nobody
}

// Sent is the answer to a Draft. Err concerns this draft only.
type Sent struct {
	Seq int64
	At  int64
	Dup bool // it was stored before
	Err error
}

// Did is the answer to an edit, a deletion or a reaction: the event that says
// so, which may be an earlier one where nothing was left to do.
type Did struct {
	Seq int64
	At  int64
}

// A GroupDraft is a group to be made.
type GroupDraft struct {
	By      Person
	CID     string
	Title   string
	Avatar  string
	Members []Person // without By; one who does not exist has no ID
	// Refusal is why the group may not be made; one that was made before with
	// this CID is found all the same. nil: it may be made.
	Refusal error
}

// Settings change what one member has set; nil leaves a field alone.
type Settings struct {
	MutedUntil *int64 // 0: not muted
	Archived   *bool
	Pinned     *bool
	Unread     *bool
}

// A Range says which messages History returns. At most one of the bounds is
// set; without one it is the newest.
type Range struct {
	Before, After, Around          int64
	HasBefore, HasAfter, HasAround bool
	Limit                          int // 1 to 200
}

// A Plan is what a person missed: positions, without what is there. It is small,
// so that a slow reader costs little while it catches up.
type Plan interface {
	// Len is the number of events that are left.
	Len() int
	// Load reads up to limit of them, fewer where they are large, and takes them
	// off. State that changed since comes later, under its new position, and is
	// left out here. Nothing is left when Len is 0.
	Load(ctx context.Context, limit int) ([]Event, error)
}

// A Store keeps one chat. Its methods may be called by many goroutines. What
// they change is on disk when they return. Events of one change come to
// Options.Committed in the order of cursors, before the method returns.
type Store interface {
	Lists
	Groups
	Messages
	Blobs
	Upkeep

	// Epoch names the log: positions of another epoch mean nothing here. It changes
	// where the log has lost what it told; Options.Renewed is called then.
	Epoch() string
	// Cursor is the last position that is known to be committed. Where other nodes
	// write, too, the log may be ahead of it.
	Cursor() int64
	// Look finds out where the log stands now; Cursor is there, too, when it returns.
	Look(ctx context.Context) (int64, error)
	// Alone says that no other node can write.
	Alone() bool
	// Key is random and stays the same, for signatures.
	Key() []byte
	// Plan finds what happened for person above after, up to upTo. It returns
	// ErrTooMany where that is more than limit.
	Plan(ctx context.Context, person, after, upTo int64, limit int) (Plan, error)
	// Check reports why nothing can be stored at present; nil: all is well.
	Check() error
	Close() error
}

// Lists is what a person has.
type Lists interface {
	// Direct returns the conversation of two people, or of one with himself, and
	// makes it where there is none. created says that it was not in me's list
	// before. The other side sees it from its first message on.
	Direct(ctx context.Context, me, other Person) (sum *Summary, created bool, err error)
	Conversation(ctx context.Context, person int64, conv ConvID) (*Summary, error)
	// Conversations lists what a person has, newest first. next continues it; it
	// is empty at the end. ErrCursor: after is no such string.
	Conversations(ctx context.Context, person int64, after string, limit int) (sums []Summary, next string, err error)
	Configure(ctx context.Context, who Person, conv ConvID, set Settings) error
	// Clear takes a direct conversation, or a group that one has left, off one's
	// list, with everything in it. A group that one is in is left.
	Clear(ctx context.Context, who Person, conv ConvID) error
	// Peers returns up to limit people with whom person has direct conversations
	// that both have in their lists, the latest first.
	Peers(ctx context.Context, person int64, limit int) ([]int64, error)
	// Shared returns those of others with whom person shares a conversation.
	Shared(ctx context.Context, person int64, others []int64) ([]int64, error)
	// Companions returns the other members of a conversation, and its kind; no
	// more than max+1 of them. ErrNotFound, ErrLeft.
	Companions(ctx context.Context, person int64, conv ConvID, max int) (kind string, others []int64, err error)
}

// Groups is about who is in a group. The errors are ErrNotFound, ErrLeft,
// ErrForbidden, ErrGroupOnly and what is said below.
type Groups interface {
	// CreateGroup makes a group, once for each cid of its owner. ErrConflict,
	// ErrCrowded, ErrBlob.
	CreateGroup(ctx context.Context, g GroupDraft, limit int) (sum *Summary, created bool, err error)
	// UpdateGroup changes what is not nil. ErrBlob.
	UpdateGroup(ctx context.Context, by Person, conv ConvID, title, avatar *string) (*Summary, error)
	// AddMember adds p, or sets the role of p, who is there. ErrCrowded,
	// ErrBlocked, of who is added.
	AddMember(ctx context.Context, by Person, conv ConvID, p Person, role string, limit int, blocked Blocker) error
	// RemoveMember removes p, who may be by. ErrMember.
	RemoveMember(ctx context.Context, by Person, conv ConvID, p Person) error
	// Members returns a conversation's members by username, from after on, as
	// person sees them. more says that there are further ones.
	Members(ctx context.Context, person int64, conv ConvID, after string, limit int) (ms []MemberInfo, more bool, err error)
	// Invite returns the code of the group's invite link, and makes it where
	// there is none, or where anew is set.
	Invite(ctx context.Context, by Person, conv ConvID, anew bool) (code string, err error)
	// Uninvite makes the link invalid.
	Uninvite(ctx context.Context, by Person, conv ConvID) error
	// Invited returns the Shared summary of the group of a code. ErrInvite.
	Invited(ctx context.Context, code string) (*Summary, error)
	// Join adds who to the group of a code. ErrInvite, ErrCrowded.
	Join(ctx context.Context, who Person, code string, limit int) (sum *Summary, joined bool, err error)
}

// Messages is about what is said.
type Messages interface {
	// Send stores drafts in one commit, in their order. The error means that
	// nothing is known of any of them.
	Send(ctx context.Context, drafts []Draft) ([]Sent, error)
	// Edit changes the text of a message of one's own. ErrMessage, ErrForbidden,
	// ErrBlocked, ErrEmpty.
	Edit(ctx context.Context, who Person, conv ConvID, seq int64, text string, blocked Blocker) (Did, error)
	// Delete erases a message: its sender or an admin may. ErrMessage,
	// ErrForbidden.
	Delete(ctx context.Context, who Person, conv ConvID, seq int64) (Did, error)
	// Hide deletes a message for oneself.
	Hide(ctx context.Context, who Person, conv ConvID, seq int64) error
	// React sets or takes back one's reaction; another one takes its place.
	// ErrMessage, ErrBlocked.
	React(ctx context.Context, who Person, conv ConvID, seq int64, emoji string, on bool, blocked Blocker) (Did, error)
	// Mark lifts a member's marks. They never fall, and end at the newest event;
	// read lifts recv. quiet keeps read from the others, and a Blocked other
	// side of a direct conversation hears of neither.
	Mark(ctx context.Context, who Person, conv ConvID, recv, read int64, quiet bool, blocked Blocker) error
	// Receipts returns the members other than the sender who were there when a
	// message came, by username, with their marks.
	Receipts(ctx context.Context, person int64, conv ConvID, seq int64, after string, limit int) (ms []MemberInfo, more bool, err error)
	// History returns messages and what happened beside them. For Around More
	// means in either direction.
	History(ctx context.Context, person int64, conv ConvID, r Range) (Page, error)
	// Get returns one message. ErrMessage.
	Get(ctx context.Context, person int64, conv ConvID, seq int64) (*Event, error)
	// Search returns messages with all words of q, the newest first; conv 0 is
	// everywhere.
	Search(ctx context.Context, person int64, q string, conv ConvID, limit int) ([]Event, error)
}

// Blobs is about who holds which attachment.
type Blobs interface {
	// AddBlob notes an upload. ErrQuota: the owner would have more than quota
	// bytes.
	AddBlob(ctx context.Context, owner Person, b Blob, quota int64) error
	// Blob returns what person may see: as its uploader, in a message, as the
	// picture of a group or of anybody. ErrBlob.
	Blob(ctx context.Context, person int64, id string) (Blob, error)
	// SetAvatar notes which blob is a person's picture; empty: none. ErrBlob.
	SetAvatar(ctx context.Context, who Person, id string) error
	// Holds reports whether some blob has these bytes.
	Holds(ctx context.Context, hash string) (bool, error)
}

// Upkeep is what is done in the background. All of it is in small pieces, and
// goes on where it stopped after a crash.
type Upkeep interface {
	// Lead says whether this node does the upkeep: of several one does, who has to
	// go on asking, every few seconds; the others get it when it stops.
	Lead(ctx context.Context) (bool, error)
	// Index makes messages found by Search; more says that it is not done.
	Index(ctx context.Context) (more bool, err error)
	// Scrub overwrites what is left on the disk of texts that were deleted or
	// edited away.
	Scrub(ctx context.Context) error
	// Collect forgets blobs that nothing holds and that were uploaded before a
	// time.
	Collect(ctx context.Context, before time.Time) (more bool, err error)
	// Loose returns hashes whose last blob may be gone. Dropped forgets one; whoever
	// asks Holds after that cannot overlook that the last blob goes just then.
	Loose(ctx context.Context, limit int) ([]string, error)
	Dropped(ctx context.Context, hash string) error
	// Erase queues the erasure of what a person whose account is gone left.
	Erase(ctx context.Context, person int64) error
	// Erasing does a piece of what is queued.
	Erasing(ctx context.Context) (more bool, err error)
}
