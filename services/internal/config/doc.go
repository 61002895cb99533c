// Package config reads the configuration file: strict YAML, decoded against Go
// structs, with errors that name the file, the line and what to write instead.
package config
