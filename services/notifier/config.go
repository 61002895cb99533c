package notifier

import (
	"net/url"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/internal/config"
	"github.com/authwatch/authwatch/services/notifier/receiver"
)

// Config is the section "notifier" of the configuration file.
type Config struct {
	AdminListen string `yaml:"admin_listen"`
	// AllowedHosts are Host names that the admin listener answers to, beside the
	// loopback names and its own.
	AllowedHosts []string `yaml:"allowed_hosts"`

	// ExternalURL is where people reach the page of the status service. Messages
	// link to it.
	ExternalURL string `yaml:"external_url"`

	Receivers []receiver.Config `yaml:"receivers"`
	Routes    []Route           `yaml:"routes"`
	// Maintenance are windows in which alerts are silenced.
	Maintenance []Window  `yaml:"maintenance"`
	SelfTest    SelfTest  `yaml:"self_test"`
	Heartbeat   Heartbeat `yaml:"heartbeat"`
}

// Route says who is told about which workloads. The first one that matches
// decides; with Continue the ones after it are asked too.
type Route struct {
	Match     events.Match `yaml:"match"`
	Receivers []string     `yaml:"receivers"`
	Continue  bool         `yaml:"continue"`
	// GroupBy lists what the workloads of one message share: "credential", and
	// names of labels.
	GroupBy []string `yaml:"group_by"`
	// GroupWait is how long an opening waits for others: 1s with GroupBy, else
	// nothing. A group that keeps growing is told after five times that.
	GroupWait *config.Duration `yaml:"group_wait"`
	// GroupInterval is how long a recovery waits for the rest of its group; 1m.
	GroupInterval *config.Duration `yaml:"group_interval"`
	// WarnBefore is how long before its end a credential is first told of, where Match
	// names the status expiring: 7d, 1d, 1h or 5m; 7d.
	WarnBefore *config.Duration `yaml:"warn_before"`
	// RepeatInterval is the time between reminders; 4h, and 0s for none.
	RepeatInterval *config.Duration `yaml:"repeat_interval"`
	// Escalate names further receivers, for an incident that lasts and that nobody
	// has acknowledged.
	Escalate []Escalation `yaml:"escalate"`
}

// Escalation is a step of a route: who is told After the opening.
type Escalation struct {
	After     config.Duration `yaml:"after"`
	Receivers []string        `yaml:"receivers"`
}

// SelfTest sends a test message to receivers, so that the age of the last proof
// is never more than Interval.
type SelfTest struct {
	Interval  config.Duration `yaml:"interval"` // 0: none
	Receivers []string        `yaml:"receivers"`
}

// Heartbeat calls a URL while the notifier can do its work: a dead man's switch.
type Heartbeat struct {
	URL      config.Secret   `yaml:"url"`
	URLFile  string          `yaml:"url_file"`
	Interval config.Duration `yaml:"interval"` // 1m
}

const groupByCredential = "credential"

const (
	defaultGroupWait      = time.Second
	defaultGroupInterval  = time.Minute
	defaultRepeatInterval = 4 * time.Hour
	defaultTimeout        = 10 * time.Second
)

func or(d *config.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Std()
}

// link is the page of a workload, or of all where it is empty; "" if nobody knows.
func (c *Config) link(workload string) string {
	base := strings.TrimRight(c.ExternalURL, "/")
	if base == "" || workload == "" {
		return base
	}
	return base + "/workloads/" + url.PathEscape(workload)
}

func (r Route) groups() bool { return len(r.GroupBy) > 0 }

func (r Route) groupWait() time.Duration {
	if r.groups() {
		return or(r.GroupWait, defaultGroupWait)
	}
	return or(r.GroupWait, 0)
}
