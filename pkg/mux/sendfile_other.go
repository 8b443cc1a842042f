//go:build !linux

package mux

import "os"

func (c *Conn) sendPart(*os.File, int64, int64) (int64, error, bool) { return 0, nil, false }
