//go:build extra

package user

import "house/room"

func init() { room.Tagged() }
