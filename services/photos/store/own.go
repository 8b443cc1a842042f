package store

import (
	"context"
	"errors"
	"time"
)

// The errors of what Mastodon does not have.
var (
	// ErrUploads: the owner has as many unfinished uploads as allowed.
	ErrUploads = errors.New("too many unfinished uploads")
	// ErrPending: a picture to attach has no sizes yet.
	ErrPending = errors.New("the picture is still being processed")
	// ErrItem: what should go into an album is not a post of its owner.
	ErrItem = errors.New("no such post to put into an album")
)

// JobKind is a kind of background work on a picture. The names are stored.
type JobKind string

// The kinds, most urgent first.
const (
	JobFirst    JobKind = "first"    // the sizes that somebody waits for
	JobLadder   JobKind = "ladder"   // the other sizes
	JobVariants JobKind = "variants" // types that not every browser reads
)

// MaxJobDelay is the longest that a job is put off after a failure.
const MaxJobDelay = time.Hour

// JobKinds are all kinds in the order of their priorities, which begin with 1.
var JobKinds = [...]JobKind{JobFirst, JobLadder, JobVariants}

// Priority says which job is done first: the lower one. 0 is for requests that
// somebody waits for, which are no jobs.
func (k JobKind) Priority() int {
	for i, kind := range JobKinds {
		if kind == k {
			return i + 1
		}
	}
	return len(JobKinds) + 1
}

// Job is background work on one picture. A picture has one of a kind at most.
type Job struct {
	ID        int64
	Kind      JobKind
	Media     int64
	RunAfter  time.Time // zero: given up
	Attempts  int       // that failed
	LastError string
}

// JobCount says how much there is to do of one kind.
type JobCount struct {
	Kind    JobKind
	Waiting int64 // never tried
	Retries int64 // failed, to be tried again
	Failed  int64 // given up
}

// Take says who wants a job.
type Take struct {
	Kinds      []JobKind
	Node       string
	Now, Until time.Time
}

// The longest that something is taken for.
const (
	MaxTake = 10 * time.Minute
	MaxTurn = 48 * time.Hour
)

// MaxParts is how many parts an upload has at most.
const MaxParts = 1000

// Part is a part of an upload.
type Part struct {
	At    int64  // where it begins
	Hash  string // key in the blob store
	Bytes int64
}

// Media is a picture of the part alone, for who deletes its bytes.
func (p Part) Media() Media { return Media{Original: File{Hash: p.Hash, Bytes: p.Bytes}} }

// Upload is a file on its way that can be resumed. Its bytes are its parts.
type Upload struct {
	ID          int64 // given by the store
	Owner       int64
	Length      int64 // bytes in all
	Offset      int64 // bytes that are durable
	Metadata    string
	Description string
	FocusX      float64
	FocusY      float64
	Expires     time.Time
	Media       int64 // the picture that it became; 0: none yet
}

// Story is a picture that is shown until it expires.
type Story struct {
	ID         int64 // given by the store
	Owner      int64
	Media      Media
	Visibility Visibility // Public: everybody who signed in; Private: followers
	Caption    string
	Expires    time.Time
	Views      int64
	Seen       bool // by who asked
}

// View is that somebody has seen a story.
type View struct {
	User int64
	At   time.Time
}

// Album is a list of posts of one person, in the order that the person gave it.
type Album struct {
	ID          int64 // given by the store
	Owner       int64
	Title       string
	Description string
	Visibility  Visibility
	Posts       []int64
}

// AlbumEdit is a change of an album; nil leaves what it is.
type AlbumEdit struct {
	Title       *string
	Description *string
	Visibility  *Visibility
	Posts       *[]int64 // all of them, in order
}

// Report is a complaint about somebody.
type Report struct {
	ID         int64 // given by the store
	Reporter   int64
	Target     int64
	Category   string
	Comment    string
	Statuses   []int64
	Action     string    // taken by an operator
	ResolvedBy int64     // 0: nobody yet
	ResolvedAt time.Time // zero: not yet
}

// Usage is what is kept altogether.
type Usage struct {
	Pictures, Originals, Sizes, Variants int64 // number of pictures; bytes of their files
	Loose                                int64 // pictures in no post and no story
	Uploads, UploadBytes                 int64 // unfinished ones, and the bytes that arrived
	Stories, Albums, OpenReports         int64
}

// Own keeps what Mastodon does not have: the queue of background work, uploads
// that resume, stories, albums and reports.
type Own interface {
	// AddMedia and AddSizes add and remove the jobs of a picture.

	// TakeJob gives t.Node the most urgent job of t.Kinds that is due at t.Now,
	// and that no other node has; else ok is false and next says when one may be,
	// zero: none. Nobody else gets it before t.Until. One that never failed is due;
	// so is one that is put off for more than MaxJobDelay, or taken for more than
	// MaxTake: the clock was ahead when it was.
	TakeJob(ctx context.Context, t Take) (j Job, ok bool, next time.Time, err error)
	// HoldJob keeps a job that node has until another time; ErrNotFound: it has
	// not.
	HoldJob(ctx context.Context, id int64, node string, until time.Time) error
	// LeaveJobs lets others have what node has taken.
	LeaveJobs(ctx context.Context, node string) error
	// TakeTurn tells whether node does the work that has a name, until a time:
	// nobody else does before, unless that is more than MaxTurn from now.
	TakeTurn(ctx context.Context, name, node string, now, until time.Time) (bool, error)
	// RemoveJob forgets a job that is done; one that is not there is no error.
	RemoveJob(ctx context.Context, id int64) error
	// PostponeJob counts a failure; again zero: the job is given up, and stays
	// to be looked at.
	PostponeJob(ctx context.Context, id int64, again time.Time, cause string) error
	// RetryJobs makes all jobs that were given up due.
	RetryJobs(ctx context.Context) (int64, error)
	JobCounts(ctx context.Context) ([]JobCount, error)
	// FailedJobs are those that failed last, given up or not, newest first.
	FailedJobs(ctx context.Context, limit int) ([]Job, error)
	// AddVariants keeps other types of a picture's sizes and removes the job.
	AddVariants(ctx context.Context, media int64, files []File) error
	// RemoveMedia removes a picture of owner that is in no post and no story;
	// ErrMedia: it is in one.
	RemoveMedia(ctx context.Context, id, owner int64) (gone Media, err error)
	// SpoilMedia says why a picture will never be shown, and removes its jobs.
	SpoilMedia(ctx context.Context, id int64, problem string) error

	// AddUpload keeps an upload and gives it an id. count bounds the unfinished
	// uploads of its owner, quota the bytes of pictures and uploads; 0: no bound.
	AddUpload(ctx context.Context, u Upload, count int, quota int64) (Upload, error)
	Upload(ctx context.Context, id int64) (Upload, error)
	// AddPart keeps the next part of an upload, which is durable, and says when
	// the upload expires now. ErrNotFound: there is no such upload, it is elsewhere
	// by now, or it would be too long; ErrTooMany: it has MaxParts.
	AddPart(ctx context.Context, id int64, p Part, expires time.Time) error
	// Parts are those of an upload that is no picture yet, in order.
	Parts(ctx context.Context, id int64) ([]Part, error)
	// RemoveUpload returns the parts that nobody needs any more.
	RemoveUpload(ctx context.Context, id int64) ([]Part, error)
	// ExpireUploads removes up to limit uploads that expired before now, and
	// returns how many, and their parts.
	ExpireUploads(ctx context.Context, now time.Time, limit int) (n int, gone []Part, err error)

	// AddStory keeps a story of an unattached picture of its owner; ErrMedia or
	// ErrPending where there is none.
	AddStory(ctx context.Context, s Story) (Story, error)
	Story(ctx context.Context, id, viewer int64) (Story, error)
	// Stories lists those of owners that have not expired at now, oldest first.
	Stories(ctx context.Context, owners []int64, viewer int64, now time.Time) ([]Story, error)
	SeeStory(ctx context.Context, id, viewer int64) error
	StoryViews(ctx context.Context, id int64, limit int) ([]View, error)
	// RemoveStory removes a story of owner; its picture goes with it.
	RemoveStory(ctx context.Context, id, owner int64) (gone Media, err error)
	// ExpireStories removes up to limit stories that expired before now.
	ExpireStories(ctx context.Context, now time.Time, limit int) (gone []Media, err error)

	AddAlbum(ctx context.Context, a Album) (Album, error)
	Album(ctx context.Context, id int64) (Album, error)
	// Albums lists those of owner, newest first.
	Albums(ctx context.Context, owner int64, p Page) ([]Album, error)
	EditAlbum(ctx context.Context, id, owner int64, e AlbumEdit) (Album, error)
	RemoveAlbum(ctx context.Context, id, owner int64) error

	AddReport(ctx context.Context, r Report) (Report, error)
	Report(ctx context.Context, id int64) (Report, error)
	Reports(ctx context.Context, resolved bool, p Page) ([]Report, error)
	// ResolveReport notes who did what about a report; by 0 opens it again.
	ResolveReport(ctx context.Context, id, by int64, action string) (Report, error)

	Usage(ctx context.Context) (Usage, error)
}
