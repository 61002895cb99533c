package bus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Action is what Apply does to a stream, a bucket or a consumer.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Leave  Action = "leave"
)

// Change is one line of a plan.
type Change struct {
	Action Action
	Why    string   // it is left although it differs
	Fields []string // what changes, and what is kept although it differs

	stream  jetstream.StreamConfig
	durable durable
}

// String says it in one line.
func (c Change) String() string {
	text := string(c.Action) + " " + c.what()
	if c.Why != "" {
		text += ": " + c.Why
	}
	if len(c.Fields) > 0 {
		text += ": " + strings.Join(c.Fields, ", ")
	}
	return text
}

func (c Change) what() string {
	if c.durable.stream != "" {
		return "consumer " + c.durable.config.Durable + " of " + c.durable.stream
	}
	return nameOf(c.stream)
}

func nameOf(cfg jetstream.StreamConfig) string {
	if name, ok := strings.CutPrefix(cfg.Name, bucketPrefix); ok {
		return "bucket " + name
	}
	return "stream " + cfg.Name
}

// Replicas is how many copies there are of the streams after the changes.
func Replicas(changes []Change) int {
	replicas := 1
	for _, c := range changes {
		replicas = max(replicas, c.stream.Replicas)
	}
	return replicas
}

// changing collects the differences between what is there and what is to be.
type changing struct {
	fields []string
	kept   []string
	force  bool
	differ bool
}

func set[T comparable](c *changing, name string, is *T, want T) {
	if *is == want {
		return
	}
	c.differ = true
	c.fields = append(c.fields, fmt.Sprintf("%s %v -> %v", name, *is, want))
	*is = want
}

// limit sets a limit, of which 0 and less is none. One that was raised is kept: to
// lower it deletes what is stored.
func limit[T int | int32 | int64 | time.Duration](c *changing, name string, is *T, want T) {
	if *is <= 0 && want <= 0 {
		return
	}
	if raised := want > 0 && (*is <= 0 || *is > want); raised && !c.force {
		c.kept = append(c.kept, name)
		c.fields = append(c.fields, fmt.Sprintf("%s %v is kept (%v is ours; --force sets it)", name, *is, want))
		return
	}
	set(c, name, is, want)
}

// changeStream returns how what is there becomes what is wanted. What this program
// does not set stays as it is.
func changeStream(was, want jetstream.StreamConfig, p Provisioning) Change {
	c, next := changing{force: p.Force}, was
	if !slices.Equal(was.Subjects, want.Subjects) {
		c.differ = true
		c.fields = append(c.fields, fmt.Sprintf("subjects %v -> %v", was.Subjects, want.Subjects))
		next.Subjects = want.Subjects
	}
	set(&c, "description", &next.Description, want.Description)
	set(&c, "discard", &next.Discard, want.Discard)
	set(&c, "allow_direct", &next.AllowDirect, want.AllowDirect)
	set(&c, "deny_delete", &next.DenyDelete, want.DenyDelete)
	set(&c, "deny_purge", &next.DenyPurge, want.DenyPurge)
	set(&c, "allow_rollup_hdrs", &next.AllowRollup, want.AllowRollup)
	set(&c, "allow_msg_ttl", &next.AllowMsgTTL, want.AllowMsgTTL)
	set(&c, "subject_delete_marker_ttl", &next.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL)
	if want.Name == bucketPrefix+BucketLeases { // a lease that lives longer is another lease
		set(&c, "max_age", &next.MaxAge, want.MaxAge)
		set(&c, "duplicate_window", &next.Duplicates, want.Duplicates)
	} else {
		limit(&c, "max_age", &next.MaxAge, want.MaxAge)
		limit(&c, "duplicate_window", &next.Duplicates, want.Duplicates)
	}
	limit(&c, "max_bytes", &next.MaxBytes, want.MaxBytes)
	limit(&c, "max_msgs", &next.MaxMsgs, want.MaxMsgs)
	limit(&c, "max_msgs_per_subject", &next.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	limit(&c, "max_msg_size", &next.MaxMsgSize, want.MaxMsgSize)
	limit(&c, "max_consumers", &next.MaxConsumers, want.MaxConsumers)
	if p.Replicas > 0 {
		set(&c, "replicas", &next.Replicas, want.Replicas)
	}
	next.Metadata = maps.Clone(was.Metadata)
	maps.Copy(next.Metadata, want.Metadata)
	if delete(next.Metadata, metadataKept); len(c.kept) > 0 {
		next.Metadata[metadataKept] = strings.Join(c.kept, " ")
	}
	if !maps.Equal(next.Metadata, was.Metadata) {
		c.differ = true
	}
	return c.change(Change{stream: next})
}

func changeDurable(was jetstream.ConsumerConfig, d durable) Change {
	c, next := changing{}, was
	set(&c, "description", &next.Description, d.config.Description)
	set(&c, "filter_subject", &next.FilterSubject, d.config.FilterSubject)
	set(&c, "ack_wait", &next.AckWait, d.config.AckWait)
	set(&c, "max_deliver", &next.MaxDeliver, d.config.MaxDeliver)
	limit(&c, "max_ack_pending", &next.MaxAckPending, d.config.MaxAckPending)
	next.Metadata = maps.Clone(was.Metadata)
	maps.Copy(next.Metadata, d.config.Metadata)
	if !maps.Equal(next.Metadata, was.Metadata) {
		c.differ = true
	}
	return c.change(Change{durable: durable{d.stream, next}})
}

func (c *changing) change(to Change) Change {
	to.Action, to.Fields = Leave, c.fields
	if c.differ {
		to.Action = Update
	}
	return to
}
