package settings

import "strings"

// Suggest returns the one of known that given was most likely meant to be, or
// the empty string. Of equally close ones the first wins.
func Suggest(given string, known []string) string {
	best, bestDist := "", 3
	for _, k := range known {
		d := distance(strings.ToLower(given), strings.ToLower(k))
		slips := min(2, max(1, len(k)/3)) // more make another word
		if d < bestDist && d <= slips && d < len(k) {
			best, bestDist = k, d
		}
	}
	return best
}

// DidYouMean is the sentence that suggests one of known, or where none is close
// lists them after intro ("Known kinds are").
func DidYouMean(given, intro string, known []string) string {
	if s := Suggest(given, known); s != "" {
		return "Did you mean \"" + s + "\"?"
	}
	if len(known) == 0 {
		return ""
	}
	return intro + " " + strings.Join(known, ", ") + "."
}

// distance is the number of inserted, deleted, changed or swapped letters.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
