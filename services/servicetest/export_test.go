package servicetest

import "time"

// SetPatience is for the test of the suite itself, which waits in vain on purpose.
func SetPatience(d time.Duration) { patience = d }
