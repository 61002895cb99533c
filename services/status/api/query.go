package api

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// filterOf reads ?status= (any of several, repeated or with commas) and ?name=
// (a name or a pattern of path.Match).
func filterOf(r *http.Request) (func(Workload) bool, error) {
	q := r.URL.Query()
	for key := range q {
		if key != "status" && key != "name" {
			return nil, fmt.Errorf("unknown parameter %q: there are status and name", key)
		}
	}
	var statuses []string
	for _, v := range q["status"] {
		statuses = append(statuses, strings.Split(v, ",")...)
	}
	name := cmp.Or(q.Get("name"), "*")
	if _, err := path.Match(name, ""); err != nil {
		return nil, fmt.Errorf("name %q: %w", name, err)
	}
	return func(w Workload) bool {
		named, _ := path.Match(name, w.Workload)
		return named && (len(statuses) == 0 || slices.Contains(statuses, string(w.Status)))
	}, nil
}

const maxLimit = 100

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return maxLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, fmt.Errorf("limit must be a number from 1 to %d", maxLimit)
	}
	return n, nil
}
