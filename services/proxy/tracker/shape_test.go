package tracker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentifiersInPathsAreRecognised(t *testing.T) {
	t.Parallel()
	for segment, want := range map[string]bool{
		"1": true, "0042": true, "2026": true,
		"123e4567-e89b-12d3-a456-426614174000": true,
		"deadbeef1":                            true, "0a1b2c3d": true, "DEADBEEF0": true,
		"0a1b2c3": false, "deadbeef": false, "facade": false, // words
		"Zm9vYmFyMTIzNDU2": true, "AKIA1B2C3D4E5F6G": true, "a1b2c3-xyz-789-qrs": true, "one-with-three-123": true,
		"Zm9vYmFyMTIzNDU":   false,                                           // too short
		"list-pull-request": false, "oauth2-credentials": false, "v1": false, // too few digits
		"items": false, "me": false, "v1.2": false, "getuserprofile-v22": false, "getUserProfileV2": false, "1.2-3.4-5.6-7-xy": false, "1234567890123456x": false,
		"a%20b12345678901234": false, "12:34": false,
	} {
		require.Equal(t, want, isIdentifier(segment), segment)
	}
}

func TestTheShapeOfAPathKeepsWhatIsFixed(t *testing.T) {
	t.Parallel()
	var s shapes
	for path, want := range map[string]string{
		"/items/1/posts/2": "/items///posts//",
		"/items":           "/items",
		"/":                "/",
		"":                 "/",
		"/items/":          "/items/",
		"//items":          "//items",
	} {
		shape, wider := s.of(path)
		require.Equal(t, want, shape)
		require.False(t, wider)
	}
}

func TestAPlaceWithTooManyValuesHasAnyFromThenOn(t *testing.T) {
	t.Parallel()
	var s shapes
	for n := range maxValues {
		path := fmt.Sprintf("/users/name-%c", 'a'+n)
		for range 2 { // seen again is not another
			shape, wider := s.of(path)
			require.Equal(t, path, shape)
			require.False(t, wider)
		}
	}
	shape, wider := s.of("/users/one-more")
	require.Equal(t, "/users//", shape)
	require.True(t, wider)
	shape, wider = s.of("/users/name-a")
	require.Equal(t, "/users//", shape)
	require.False(t, wider)
	shape, _ = s.of("/teams/name-a")
	require.Equal(t, "/teams/name-a", shape, "another place")
}

func TestTheMemoryOfPlacesIsBounded(t *testing.T) {
	t.Parallel()
	var s shapes
	for n := range 16 {
		for m := range 100 {
			s.of(fmt.Sprintf("/%c/%c%c/x/y", 'a'+n, 'a'+m/10, 'a'+m%10))
		}
	}
	require.LessOrEqual(t, len(s.places), maxPlaces)
	shape, _ := s.of("/new/place")
	require.Equal(t, "///place", shape)
}
