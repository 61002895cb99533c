// Package plan decides what a receiver is told, and when. It compares what is
// true of a workload, its newest status record, with what the receiver was told
// last, the row, and the difference is the next message. It does no I/O, knows
// no clock and keeps nothing outside its own values.
//
// [plan] is the decision for one workload. A [Queue] is the decision for one
// receiver: it holds the rows, gathers messages that belong together, and turns
// answers into waits.
package plan
