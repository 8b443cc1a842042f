package images

import "github.com/porticod/portico/pkg/service"

var _ service.Keeper = Type{}

// Keeps implements service.Keeper: there is only a cache.
func (Type) Keeps() service.Kept { return service.Kept{Leave: []string{"cache"}} }
