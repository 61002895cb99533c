// Package events is the public contract of authwatch: the CloudEvents that its
// services publish on NATS, and the record of a workload's status.
//
// A subscriber needs this package and a NATS client, nothing else:
//
//	e, err := events.Unmarshal(msg.Header, msg.Data)
//	...
//	record, err := events.ParseStatus(e)
//
// Fields are only ever added; a reader ignores fields, types and status values
// that it does not know. A change that would break a reader gets a new type.
package events
