package cli

// Unchanged is unchanged, for tests.
func Unchanged(smaps []byte, file string) (all [][2]uintptr) {
	for _, m := range unchanged(smaps, file) {
		all = append(all, [2]uintptr{m.from, m.to})
	}
	return all
}
