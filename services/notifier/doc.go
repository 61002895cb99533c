// Package notifier tells people. It compares what is true of every workload, the
// newest records of the STATUS stream, with what every receiver was told, the
// rows of the DELIVERIES bucket, and sends the difference.
//
// Of several replicas one leads: it holds the lease, follows the stream and runs
// one worker a receiver. What to say and when is decided in package plan, how to
// say it in package receiver; this package reads, stores and sends.
package notifier
