// Package user names what it needs of a room.
package user

import (
	"fmt"

	"house/room"
)

var (
	_ = fmt.Sprint(room.Used{Group: room.Group{One: 1}})
	_ = room.First
	_ = room.Makes()
	_ room.Lonely
)
