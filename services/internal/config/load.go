package config

import (
	"errors"
	"os"

	"github.com/goccy/go-yaml"
)

// Load reads file into the struct that into points at.
func Load(file string, into any) (*Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &Error{File: file, Text: errors.Unwrap(err).Error()}
	}
	d := &Document{File: file}
	if err := yaml.UnmarshalWithOptions(text, into, yaml.Strict()); err != nil {
		return nil, &Error{File: file, Text: err.Error()}
	}
	return d, nil
}
