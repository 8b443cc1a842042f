package entity

// What Mastodon does not have, below /api/portico/v1.

// Story is a picture that is shown for a day.
type Story struct {
	ID         ID      `json:"id"`
	Account    Account `json:"account"`
	CreatedAt  Time    `json:"created_at"`
	ExpiresAt  Time    `json:"expires_at"`
	Visibility string  `json:"visibility"` // public, private
	Caption    string  `json:"caption"`
	Media      Media   `json:"media"`
	Seen       bool    `json:"seen"`
	Views      *int64  `json:"views"` // null: not one's own
}

// StoryGroup is an entry of the tray: the stories of one person, oldest first.
type StoryGroup struct {
	Account Account `json:"account"`
	Seen    bool    `json:"seen"` // all of them
	Stories []Story `json:"stories"`
}

// StoryView is that somebody has seen a story.
type StoryView struct {
	Account Account `json:"account"`
	SeenAt  Time    `json:"seen_at"`
}

// Album is a list of posts.
type Album struct {
	ID          ID      `json:"id"`
	Account     Account `json:"account"`
	CreatedAt   Time    `json:"created_at"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Visibility  string  `json:"visibility"`
	URL         string  `json:"url"`
	Cover       *Media  `json:"cover"`      // null: nothing to show
	StatusIDs   []ID    `json:"status_ids"` // in order, those that who asks may see
}

// Report is a complaint, as who made it sees it.
type Report struct {
	ID            ID      `json:"id"`
	ActionTaken   bool    `json:"action_taken"`
	ActionTakenAt Time    `json:"action_taken_at"`
	Category      string  `json:"category"`
	Comment       string  `json:"comment"`
	Forwarded     bool    `json:"forwarded"`
	CreatedAt     Time    `json:"created_at"`
	StatusIDs     []ID    `json:"status_ids"`
	RuleIDs       None    `json:"rule_ids"`
	TargetAccount Account `json:"target_account"`
}

// AdminReport is a complaint as operators see it.
type AdminReport struct {
	Report
	Account  *Account `json:"account"` // who made it; null: an account that is gone
	Statuses []Status `json:"statuses"`
	Action   string   `json:"action"`
	ActionBy *Account `json:"action_taken_by_account"`
}

// Storage says what is kept, and how much room is left.
type Storage struct {
	Pictures        int64       `json:"pictures"`
	LoosePictures   int64       `json:"loose_pictures"` // in no post and no story
	OriginalBytes   int64       `json:"original_bytes"`
	SizeBytes       int64       `json:"size_bytes"`
	VariantBytes    int64       `json:"variant_bytes"`
	Uploads         int64       `json:"unfinished_uploads"`
	UploadBytes     int64       `json:"unfinished_upload_bytes"`
	Stories         int64       `json:"stories"`
	Albums          int64       `json:"albums"`
	OpenReports     int64       `json:"open_reports"`
	DiskFree        *int64      `json:"disk_free_bytes"` // null: not known
	DiskTotal       *int64      `json:"disk_total_bytes"`
	Alarm           *string     `json:"alarm"` // null: all is well
	Jobs            []JobCount  `json:"jobs"`
	FailedJobs      []FailedJob `json:"failed_jobs"` // the latest
	PicturesInWork  []ID        `json:"pictures_in_work"`
	PoolMemory      int64       `json:"pool_memory_bytes"`
	PoolMemoryLimit int64       `json:"pool_memory_limit_bytes"`
}

// JobCount says how much background work there is of one kind.
type JobCount struct {
	Kind     string `json:"kind"`
	Waiting  int64  `json:"waiting"`
	Retrying int64  `json:"retrying"`
	Failed   int64  `json:"failed"` // given up
}

// FailedJob is background work that failed.
type FailedJob struct {
	Kind     string `json:"kind"`
	MediaID  ID     `json:"media_id"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error"`
	NextTry  Time   `json:"next_try"` // null: given up
}
