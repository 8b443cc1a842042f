package store

import (
	"context"
	"errors"
	"time"
)

// ErrTooMany: somebody has as many of something as allowed.
var ErrTooMany = errors.New("there are too many already")

// Bounds of what one person has.
const (
	MaxFollows      = 7500 // people somebody follows or asked to
	MaxMutes        = 10_000
	MaxEndorsements = 100
	MaxLists        = 50
	MaxMembers      = 500 // of a list
	MaxFilters      = 100
	MaxFilterParts  = 100 // keywords, and posts, of a filter
	MaxDomains      = 1000
	MaxFeatured     = 10
	MaxNotes        = 10_000
)

// FollowState is how far a follow has come. The numbers are stored.
type FollowState uint8

// The states of a follow.
const (
	NoFollow  FollowState = 0
	Asked     FollowState = 1 // and not answered
	Following FollowState = 2
)

// Follow is that somebody follows somebody, or asked to.
type Follow struct {
	ID        int64 // given by the store
	Follower  int64
	Target    int64
	State     FollowState
	Reblogs   bool     // wants them in the home timeline
	Notify    bool     // wants a notification of each post
	Languages []string // of posts that are wanted; none: all
}

// Mute is that somebody does not want to see another's posts.
type Mute struct {
	User, Target  int64
	Notifications bool      // nor notifications of theirs
	Expires       time.Time // zero: never
}

// Relation is what two people are to each other, but for blocks.
type Relation struct {
	Target     int64
	Follow     Follow      // of the target; State is NoFollow where there is none
	FollowedBy FollowState // by the target
	Muted      bool
	Mute       Mute
	Endorsed   bool
	Note       string
}

// People names a list of people.
type People uint8

// The lists of people. What their entry's owner is stands beside each.
const (
	Followers    People = iota // of a user
	Followed                   // by a user
	Requests                   // to follow a user, not answered
	Muted                      // by a user
	Endorsements               // of a user
	Members                    // of a list
)

// Entry is somebody in a list; lists are paged by the ids.
type Entry struct{ ID, User int64 }

// PortraitKind says which picture of a person.
type PortraitKind uint8

// The pictures of a person. The numbers are stored.
const (
	Avatar PortraitKind = 1
	Header PortraitKind = 2
)

// Field is a line of somebody's profile.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// DirectoryOrder says who comes first.
type DirectoryOrder uint8

// The orders of the directory.
const (
	ByActivity DirectoryOrder = iota // the latest post
	ByAge                            // the newest person
)

// List is somebody's selection of the people they follow.
type List struct {
	ID        int64 // given by the store
	Owner     int64
	Title     string
	Replies   string // whose replies it shows: followed, list, none
	Exclusive bool   // its members' posts are not in the home timeline
}

// Keyword is one that a filter looks for.
type Keyword struct {
	ID        int64 // given by the store where it is 0
	Text      string
	WholeWord bool
}

// FilteredStatus is a post that a filter names.
type FilteredStatus struct {
	ID     int64 // given by the store where it is 0
	Status int64
}

// Filter is what somebody does not want to read.
type Filter struct {
	ID       int64 // given by the store
	User     int64
	Title    string
	Contexts []string // home, notifications, public, thread, account
	Action   string   // warn, hide
	Expires  time.Time
	Keywords []Keyword
	Statuses []FilteredStatus
}

// Marker is up to where somebody has read a timeline.
type Marker struct {
	Timeline string // home, notifications
	LastRead int64
	Version  int64 // grows with each change
	Updated  time.Time
}

// NamedEntry is a name in a list that is paged by the ids.
type NamedEntry struct {
	ID   int64
	Name string
}

// FeaturedTag is a tag on somebody's profile.
type FeaturedTag struct {
	ID       int64
	Name     string
	Statuses int64     // of theirs that everybody may see
	Last     time.Time // of these; zero: none
}

// Social keeps what people are to each other.
type Social interface {
	// Profiles are those of users, whoever has none with what the zero one
	// has.
	Profiles(ctx context.Context, users []int64) (map[int64]Profile, error)
	// EditProfile changes what edit does, which may run again and must not
	// block, but no counts and no portraits. Whoever is not locked any more
	// is followed by those who asked.
	EditProfile(ctx context.Context, user int64, edit func(*Profile)) (Profile, error)
	// SetPortrait keeps a picture of user in place of the one before, which is
	// returned; the zero File is none.
	SetPortrait(ctx context.Context, user int64, kind PortraitKind, f File) (old File, err error)

	// SetFollow stores f, or the options of one that is there, whose state
	// stays; created says that there was none. ErrTooMany.
	SetFollow(ctx context.Context, f Follow) (_ Follow, created bool, err error)
	// Unfollow ends a follow or withdraws the request, and what depends on it:
	// the endorsement and the places in the follower's lists.
	Unfollow(ctx context.Context, follower, target int64) error
	// Part is Unfollow both ways.
	Part(ctx context.Context, a, b int64) error
	// Answer grants or refuses a request. ErrNotFound where there is none.
	Answer(ctx context.Context, target, follower int64, grant bool) error
	FollowState(ctx context.Context, follower, target int64) (FollowState, error)
	// Relations are what user is to the targets, in their order.
	Relations(ctx context.Context, user int64, targets []int64) ([]Relation, error)
	// People is a page of a list: of whom or of which list, owner says.
	People(ctx context.Context, which People, owner int64, p Page) ([]Entry, error)
	// Familiar are up to limit people whom user follows and who follow target.
	Familiar(ctx context.Context, user, target int64, limit int) ([]int64, error)
	// Suggest are up to limit people whom most follow and user does not, nor
	// mutes, nor dismissed, nor is.
	Suggest(ctx context.Context, user int64, limit int) ([]int64, error)
	// Dismiss has Suggest not name target to user again.
	Dismiss(ctx context.Context, user, target int64) error
	// Directory is a part of those who do not hide.
	Directory(ctx context.Context, order DirectoryOrder, offset, limit int) ([]int64, error)

	SetMute(ctx context.Context, m Mute) error
	Unmute(ctx context.Context, user, target int64) error
	// SetNote keeps text; empty: none.
	SetNote(ctx context.Context, user, target int64, text string) error
	// Endorse wants user to follow target: ErrNotFound where it is not so.
	Endorse(ctx context.Context, user, target int64) error
	Unendorse(ctx context.Context, user, target int64) error

	AddList(ctx context.Context, l List) (List, error)
	// EditList changes a list of l.Owner as a whole.
	EditList(ctx context.Context, l List) error
	DeleteList(ctx context.Context, owner, id int64) error
	List(ctx context.Context, owner, id int64) (List, error)
	Lists(ctx context.Context, owner int64) ([]List, error)
	// ListsWith are those of owner that user is in.
	ListsWith(ctx context.Context, owner, user int64) ([]List, error)
	// AddMembers wants the list's owner to follow each of users: ErrNotFound
	// where it is not so.
	AddMembers(ctx context.Context, owner, list int64, users []int64) error
	RemoveMembers(ctx context.Context, owner, list int64, users []int64) error

	// Filters are all of user, also expired ones.
	Filters(ctx context.Context, user int64) ([]Filter, error)
	AddFilter(ctx context.Context, f Filter) (Filter, error)
	// EditFilter changes what edit does, which may run again and must not
	// block; its error undoes all.
	EditFilter(ctx context.Context, user, id int64, edit func(*Filter) error) (Filter, error)
	DeleteFilter(ctx context.Context, user, id int64) error

	Markers(ctx context.Context, user int64) ([]Marker, error)
	SetMarker(ctx context.Context, user int64, timeline string, lastRead int64) (Marker, error)

	BlockDomain(ctx context.Context, user int64, domain string) error
	UnblockDomain(ctx context.Context, user int64, domain string) error
	DomainBlocks(ctx context.Context, user int64, p Page) ([]NamedEntry, error)

	// FeaturedTags are user's, in the order of being made.
	FeaturedTags(ctx context.Context, user int64) ([]FeaturedTag, error)
	AddFeaturedTag(ctx context.Context, user int64, name string) (FeaturedTag, error)
	DeleteFeaturedTag(ctx context.Context, user, id int64) error

	// Active is how many people posted since a time.
	Active(ctx context.Context, since time.Time) (int64, error)
	// Posted is how many posts were made from a time to another that are there
	// still.
	Posted(ctx context.Context, from, to time.Time) (int64, error)
}
