package api

import (
	"time"

	"github.com/authwatch/authwatch/events"
)

// Workload is a record together with what the proxies' leases say now.
type Workload struct {
	events.Record
	// ServedBy counts the proxies that serve the workload. A status nobody
	// serves is what was last known.
	ServedBy int `json:"served_by"`
	// Reachable is absent when no proxy says anything. It is false when every
	// proxy that serves the workload fails to reach the upstream; that says
	// nothing about the credential.
	Reachable *bool   `json:"reachable,omitempty"`
	Outage    *Outage `json:"outage,omitempty"`
	// Silenced is the silence that holds alerts about the workload back now, of
	// several the one that ends last.
	Silenced *events.Silence `json:"silenced,omitempty"`
}

// Outage is why and since when the upstream cannot be reached.
type Outage struct {
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`
}
