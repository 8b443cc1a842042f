package store

import (
	"context"
	"errors"
	"time"
)

// The errors of posts that callers branch on.
var (
	// ErrParent: what is to be answered is not there.
	ErrParent = errors.New("no such post to answer")
	// ErrPins: the author has pinned as many posts as they may.
	ErrPins = errors.New("too many posts are pinned")
	// ErrTooManyTags: somebody follows as many tags as they may.
	ErrTooManyTags = errors.New("too many tags are followed")
)

// NoticeKind says what somebody is told about.
type NoticeKind string

// The kinds of notices. They are stored.
const (
	NoticeMention       NoticeKind = "mention" // also an answer
	NoticeFavourite     NoticeKind = "favourite"
	NoticeFollow        NoticeKind = "follow"
	NoticeFollowRequest NoticeKind = "follow_request"
	NoticeStatus        NoticeKind = "status" // of somebody whose posts one wants to be told of
)

// NoticeKinds are all of them.
var NoticeKinds = [...]NoticeKind{NoticeMention, NoticeFavourite, NoticeFollow, NoticeFollowRequest, NoticeStatus}

// MaxNotices is about how many notices one user has; older ones are forgotten.
const MaxNotices = 1000

// Notice tells somebody about something.
type Notice struct {
	ID     int64 // given by the store
	User   int64 // who is told
	Kind   NoticeKind
	Actor  int64 // who did it
	Status int64 // what it is about; 0: no post
}

// NoticeFeed selects notices of User, newest first.
type NoticeFeed struct {
	User    int64
	Kinds   []NoticeKind // nil: all
	Actor   int64        // 0: of anybody
	Exclude []int64      // actors who are left out
	Page
}

// MarkKind says what somebody did to a post. The numbers are stored.
type MarkKind uint8

// The kinds of marks.
const (
	Favourite MarkKind = 1
	Bookmark  MarkKind = 2
	Pin       MarkKind = 3 // of one's own posts
)

// MaxPins is how many posts somebody pins.
const MaxPins = 5

// Mark is one of somebody's marks.
type Mark struct {
	ID     int64 // given by the store; orders lists of marks
	User   int64
	Status Status // of lists of one user's marks
}

// Marks are those that a viewer has on a post.
type Marks struct{ Favourited, Bookmarked, Pinned, Muted bool }

// Version is what a post was from At on.
type Version struct {
	At        time.Time
	Text      string
	Spoiler   string
	Sensitive bool
	Media     []Media // those that are still the post's
}

// Rewrite is a change of a post of Author. What a post has beside this stays.
type Rewrite struct {
	ID, Author int64
	Text       string
	Spoiler    string
	Sensitive  bool
	Language   string
	MediaIDs   []int64        // in order; those that it had and that are not here are unattached
	Edits      map[int64]Edit // of its pictures, by id
	Mentions   []int64
	Tags       []string // normal names
}

// Bounds limit what is read of a thread.
type Bounds struct {
	Ancestors, Descendants int // posts
	Depth                  int // of descendants
}

// MaxTagFollows is how many tags somebody follows.
const MaxTagFollows = 200

// Tag is a hashtag, and how it was used in public posts of the last days.
type Tag struct {
	ID        int64 // of the follow in lists of followed tags, else the tag's
	Name      string
	Following bool
	History   []TagDay // newest first, a day each, from today on
}

// TagDays is how many days a tag's history has.
const TagDays = 7

// TagDay is one day, in UTC.
type TagDay struct {
	Day            time.Time
	Uses, Accounts int64
}

// Conversation is one of direct posts, as User has it.
type Conversation struct {
	ID     int64
	User   int64
	Unread bool
	Last   Status
	With   []int64 // who takes part beside User
}

// StatusSearch selects posts that have words.
type StatusSearch struct {
	Viewer   int64
	Words    string
	Author   int64   // 0: of anybody
	Exclude  []int64 // authors who are left out
	Max, Min int64   // ids, excluded; 0: none
	Limit    int
	Offset   int
}

// Posts keeps what belongs to posts: threads, marks, tags and notifications.
type Posts interface {
	// Statuses returns those that are there, in the order of ids.
	Statuses(ctx context.Context, ids []int64) ([]Status, error)
	// Rewrite changes a post and keeps what it was. Pictures that it loses are
	// unattached. Without a change it does nothing.
	Rewrite(ctx context.Context, r Rewrite) (Status, error)
	// Versions lists what a post was and is, oldest first.
	Versions(ctx context.Context, id int64) ([]Version, error)
	// Thread returns what a post answers, oldest first, and the answers to it,
	// each before those to itself.
	Thread(ctx context.Context, id int64, b Bounds) (ancestors, descendants []Status, err error)
	// InHome tells whether user's home timeline has a post, without regard to
	// blocks.
	InHome(ctx context.Context, user, status int64) (bool, error)
	// InList is InHome for a list.
	InList(ctx context.Context, list, status int64) (bool, error)
	// Muted tells whether user has muted author.
	Muted(ctx context.Context, user, author int64) (bool, error)

	// SetMark sets or takes away a mark and returns the post as it is then.
	SetMark(ctx context.Context, kind MarkKind, user, status int64, on bool) (Status, error)
	// MarksOf returns user's marks on posts, by id.
	MarksOf(ctx context.Context, user int64, statuses []Status) (map[int64]Marks, error)
	// Marked lists posts that user marked, by the ids of the marks.
	Marked(ctx context.Context, kind MarkKind, user int64, p Page) ([]Mark, error)
	// MarkedBy lists who marked a post, by the ids of the marks, without posts.
	MarkedBy(ctx context.Context, kind MarkKind, status int64, p Page) ([]Mark, error)
	// MuteThread has user told of a conversation no more, or again.
	MuteThread(ctx context.Context, user, thread int64, on bool) error

	// Tags returns tags by their normal names, also those that nobody used;
	// user is who may follow them.
	Tags(ctx context.Context, user int64, names []string) ([]Tag, error)
	// FollowTag makes a tag that nobody used.
	FollowTag(ctx context.Context, user int64, name string, on bool) error
	FollowedTags(ctx context.Context, user int64, p Page) ([]Tag, error)
	// SearchTags finds tags whose normal names start with prefix, most used first.
	SearchTags(ctx context.Context, user int64, prefix string, limit, offset int) ([]Tag, error)
	// TrendingTags are used by most people these days.
	TrendingTags(ctx context.Context, user int64, limit, offset int) ([]Tag, error)
	// TrendingStatuses are public posts of these days, those with most marks
	// and answers first.
	TrendingStatuses(ctx context.Context, exclude []int64, limit, offset int) ([]Status, error)
	SearchStatuses(ctx context.Context, s StatusSearch) ([]Status, error)

	Conversations(ctx context.Context, user int64, p Page) ([]Conversation, error)
	// ReadConversation marks one of user's conversations as read.
	ReadConversation(ctx context.Context, user, id int64) (Conversation, error)
	// ConversationOf returns the one of a thread, as user has it.
	ConversationOf(ctx context.Context, user, thread int64) (Conversation, error)
	DropConversation(ctx context.Context, user, id int64) error

	Notices(ctx context.Context, f NoticeFeed) ([]Notice, error)
	Notice(ctx context.Context, user, id int64) (Notice, error)
	DropNotice(ctx context.Context, user, id int64) error
	ClearNotices(ctx context.Context, user int64) error
	// CountNotices counts those after an id, up to limit.
	CountNotices(ctx context.Context, f NoticeFeed) (int64, error)
}
