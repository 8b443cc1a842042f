package postgres

import "testing"

// A standby has what was committed, and takes over.
func TestStandby(t *testing.T) {
	t.Parallel()
	first := Start(t)
	second := first.Standby(t)
	first.SQL(t, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
	first.Kill(t)
	second.Promote(t)
	second.SQL(t, "INSERT INTO kept VALUES (2)")
	if got := second.SQL(t, "SELECT count(*) FROM kept"); got != "2" {
		t.Errorf("%s rows", got)
	}
}
