package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatNobodyElseNamesIsFound(t *testing.T) {
	t.Chdir("testdata/house")
	lines, err := find("house/contract", "extra", []string{"./..."})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, l := range lines {
		_, name, _ := strings.Cut(l, ": ")
		found = append(found, name)
	}
	slices.Sort(found)
	want := []string{
		"Constant is exported for nobody", "Field is exported for nobody", "Function is exported for nobody",
		"Method is exported for nobody", "Type is exported for nobody", "WithinTests is exported for nobody",
	}
	if !slices.Equal(found, want) {
		t.Fatalf("found %q, want %q", found, want)
	}
}
