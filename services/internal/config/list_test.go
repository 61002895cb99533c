package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authwatch/authwatch/services/internal/config"
)

func TestAListOfOneIsWrittenWithoutBrackets(t *testing.T) {
	t.Parallel()
	var c struct {
		One  config.List            `yaml:"one"`
		Many config.List            `yaml:"many"`
		By   map[string]config.List `yaml:"by"`
		None config.List            `yaml:"none"`
	}
	_, err := config.Parse("f", []byte("one: 007\nmany: [a, 2]\nby: {x: true, y: [\"*\"]}\n"), &c)
	require.NoError(t, err)
	require.Equal(t, config.List{"007"}, c.One)
	require.Equal(t, config.List{"a", "2"}, c.Many)
	require.Equal(t, map[string]config.List{"x": {"true"}, "y": {"*"}}, c.By)
	require.Nil(t, c.None)
	_, err = config.Parse("f", []byte("one: {a: b}\n"), &c)
	require.EqualError(t, err, "f:1: one: expected a list, found a mapping")
}
