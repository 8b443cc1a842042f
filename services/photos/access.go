package photos

import (
	"github.com/porticod/portico/services/photos/store"
)

// A relation is what a viewer is to an author.
type relation struct {
	self    bool // one and the same
	follows bool // the viewer follows the author, who let them
	blocked bool // either has blocked the other
	gone    bool // the author is suspended or deleted
}

// maySee is the one rule of who may see what: it decides about posts, lists of
// posts and the bytes of pictures. Nobody sees what is gone, be it their own.
func maySee(v store.Visibility, rel relation) bool {
	switch {
	case rel.gone:
		return false
	case rel.self:
		return true
	case rel.blocked:
		return false
	case v == store.Public, v == store.Unlisted:
		return true
	case v == store.Private:
		return rel.follows
	}
	return false // direct: nobody can be mentioned yet; unattached: its owner's
}

// visible are the visibilities that somebody in rel may see.
func visible(rel relation) []store.Visibility {
	var out []store.Visibility
	for _, v := range store.Visibilities {
		if maySee(v, rel) {
			out = append(out, v)
		}
	}
	return out
}

// forEverybody tells what the whole world may see and keep: its URLs need no
// signature and caches may hold it.
func forEverybody(v store.Visibility) bool { return maySee(v, relation{}) }
