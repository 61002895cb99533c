package bus

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Streams, buckets and durable consumers. A durable's delivery and ack policies
// cannot be changed, so its name has a version.
const (
	StreamAuth   = "AUTH"
	StreamStatus = "STATUS"
	StreamAlert  = "ALERT"
	StreamDead   = "DEAD"

	BucketLeases     = "LEASES"
	BucketDeliveries = "DELIVERIES"
	BucketSilences   = "SILENCES"

	DurableStatus = "status-v1"
)

const (
	// topologyVersion is written into the metadata of every stream and durable.
	// It grows with every change of this file; an older program does not undo
	// what a newer one provisioned.
	topologyVersion = 2

	maxEvent  = 64 << 10               // of an event; events.MaxSize
	maxRow    = 192 << 10              // of a value in DELIVERIES, whose message may name many workloads
	maxHeader = 4 << 10                // room for headers, in a stream's limit for one message
	maxLetter = maxEvent + 3*maxHeader // the original, its headers and ours
	day       = 24 * time.Hour
	gib       = 1 << 30
	mib       = 1 << 20

	// LeaseTTL is how long a key in the bucket LEASES lives without a write.
	LeaseTTL = 30 * time.Second

	// DedupWindow is how long a stream knows the id of an event, and drops the
	// event when it comes again.
	DedupWindow = 10 * time.Minute

	ackWait = 30 * time.Second
	// maxAckPending bounds what one consumer has in hand, and so its memory.
	maxAckPending = 2048
)

// streams are the streams' settings. Full is an error that the publisher sees
// (DiscardNew), never a silent loss; what is stored goes away by age, and in
// STATUS by the number of a subject's messages, which is why it alone may not
// deny deletion.
func streams(replicas int) []jetstream.StreamConfig {
	base := func(name, description string, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: description, Subjects: subjects,
			Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: replicas,
			Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxConsumers: -1, MaxMsgsPerSubject: -1,
			MaxMsgSize: maxEvent + maxHeader, AllowDirect: true, DenyDelete: true, DenyPurge: true,
			Duplicates: DedupWindow, Metadata: metadata(),
		}
	}
	auth := base(StreamAuth, "what the proxies observed of credentials", "auth.>")
	auth.MaxAge, auth.MaxBytes = 14*day, gib

	// Records do not age: the newest of each workload is its status.
	status := base(StreamStatus, "the records of the workloads' status, and their history", "status.>")
	status.MaxMsgsPerSubject, status.MaxBytes = 100, 2*gib
	status.DenyDelete, status.DenyPurge = false, false

	alert := base(StreamAlert, "receipts of the messages to people", "alert.>")
	alert.MaxAge, alert.MaxBytes = 90*day, 512*mib

	dead := base(StreamDead, "messages that no service could use, with the reason in their headers", "dead.>")
	dead.MaxAge, dead.MaxBytes = 30*day, 256*mib
	dead.MaxMsgSize = maxLetter
	return []jetstream.StreamConfig{auth, status, alert, dead}
}

// buckets are the key-value buckets' settings, as streams (JetStream ADR-8).
func buckets(replicas int) []jetstream.StreamConfig {
	base := func(name, description string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: bucketPrefix + name, Description: description, Subjects: []string{"$KV." + name + ".>"},
			Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: replicas,
			Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxConsumers: -1, MaxMsgsPerSubject: 1,
			MaxMsgSize: maxEvent, MaxBytes: 64 * mib, AllowDirect: true, DenyDelete: true, AllowRollup: true,
			Duplicates: 2 * time.Minute, Metadata: metadata(),
		}
	}
	leases := base(BucketLeases, "who serves what now, and who leads")
	leases.MaxAge, leases.Duplicates = LeaseTTL, LeaseTTL
	leases.AllowMsgTTL, leases.SubjectDeleteMarkerTTL = true, time.Minute

	deliveries := base(BucketDeliveries, "what each receiver was told of each workload")
	deliveries.MaxBytes, deliveries.MaxMsgSize = gib, maxRow

	silences := base(BucketSilences, "what receivers are not told for a while")
	silences.MaxMsgsPerSubject = 5
	return []jetstream.StreamConfig{leases, deliveries, silences}
}

const bucketPrefix = "KV_"

// topology is every stream, those of the buckets too.
func topology(replicas int) []jetstream.StreamConfig {
	return append(streams(replicas), buckets(replicas)...)
}

func topologyStreams() []string {
	names := []string{}
	for _, cfg := range topology(1) {
		names = append(names, cfg.Name)
	}
	return names
}

// durable is a durable consumer and its stream.
type durable struct {
	stream string
	config jetstream.ConsumerConfig
}

// durables never give up on a message: their services end it, by acknowledging
// it or by sending it to DEAD. The notifier has none: it compares the newest
// records with what it told, and needs no memory of what it read.
func durables() []durable {
	return []durable{{StreamAuth, jetstream.ConsumerConfig{
		Durable: DurableStatus, Description: "observations to the status service", FilterSubject: "auth.>",
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxDeliver: -1, MaxAckPending: maxAckPending, Metadata: metadata(),
	}}}
}

// Metadata of streams and consumers.
const (
	metadataVersion = "authwatch.topology" // whose it is, and which version made it
	metadataKept    = "authwatch.kept"     // the limits that somebody else has raised
)

func metadata() map[string]string {
	return map[string]string{metadataVersion: strconv.Itoa(topologyVersion)}
}

// ours reports whether any version of this program has made it.
func ours(metadata map[string]string) bool {
	_, err := strconv.Atoi(metadata[metadataVersion])
	return err == nil
}

// newer reports whether a later version than this one has provisioned.
func newer(metadata map[string]string) bool {
	version, err := strconv.Atoi(metadata[metadataVersion])
	return err == nil && version > topologyVersion
}
