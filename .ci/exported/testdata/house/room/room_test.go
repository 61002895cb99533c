package room

import "testing"

func TestWithin(*testing.T) { WithinTests() }
