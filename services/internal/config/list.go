package config

import "reflect"

// List is a list of texts, of which a single one is written without brackets.
type List []string

var listType = reflect.TypeFor[List]()
