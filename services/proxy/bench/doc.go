// Package bench compares the proxy with its peers in one interleaved run:
//
//	make bench            # from the repository's root
//	go test -run '^$' -bench Peers ./proxy/bench
//
// Each proxy is a process of its own; what is compared is the CPU time that it
// spends on a request. BENCH_SECONDS is the length of one measurement, BENCH_ONLY
// a part of the names of the rows to measure.
package bench
