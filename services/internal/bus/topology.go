package bus

// Streams, buckets and durable consumers.
const (
	StreamAuth   = "AUTH"
	StreamStatus = "STATUS"
	StreamAlert  = "ALERT"
	StreamDead   = "DEAD"

	BucketLeases     = "LEASES"
	BucketDeliveries = "DELIVERIES"
	BucketSilences   = "SILENCES"

	DurableStatus   = "status-v1"
	DurableNotifier = "notifier-v1"
)
