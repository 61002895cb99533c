// Package status keeps the truth about every workload's credential.
//
// Observations arrive on the AUTH stream. [Apply], a pure function, turns the
// record of a workload and one observation into the next record. The record is
// written to the STATUS stream with compare-and-set, which makes store, history
// and feed one write; the HTTP API and the page read what was written.
package status
