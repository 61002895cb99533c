package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/authwatch/authwatch/services/cmd/authwatch/terminal"
	"github.com/authwatch/authwatch/services/internal/process"
	"github.com/authwatch/authwatch/services/status/api"
)

func listCommand(o *options) *cobra.Command {
	var exitCode bool
	c := &cobra.Command{
		Use:     "list",
		GroupID: "ask",
		Short:   "Every workload, the bad ones first",
		Args:    takes(),
	}
	o.addAPI(c)
	o.addOutput(c)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 1 if a workload is unauthenticated or missing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ask, err := newClient(o.api)
		if err != nil {
			return err
		}
		list, raw, err := fetch[workloadList](c.Context(), ask, "workloads")
		if err != nil {
			return err
		}
		p := printer(c)
		if o.json() {
			err = printJSON(p, raw)
		} else {
			printList(p, list.Workloads, time.Now())
		}
		if err == nil && exitCode && slices.ContainsFunc(list.Workloads, isBad) {
			err = &process.ExitError{Code: process.ExitProblem}
		}
		return err
	}
	return c
}

func isBad(w api.Workload) bool { return w.Status.Bad() }

func printList(p *terminal.Printer, workloads []api.Workload, now time.Time) {
	if len(workloads) == 0 {
		p.Line("No workloads yet. A workload appears when a proxy that serves it starts.")
		return
	}
	slices.SortStableFunc(workloads, func(a, b api.Workload) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Workload, b.Workload))
	})
	rows := [][]terminal.Cell{{
		{Text: "WORKLOAD", Style: p.Dim},
		{Text: "STATUS", Style: p.Dim},
		{Text: "SINCE", Style: p.Dim},
		{Text: "SERVED BY", Style: p.Dim},
		{Text: "REASON", Style: p.Dim},
	}}
	for _, w := range workloads {
		rows = append(rows, []terminal.Cell{
			{Text: terminal.Clean(w.Workload), Style: p.Bold},
			{Text: statusText(w), Style: statusStyle(p, w)},
			{Text: ago(now, w.Since)},
			{Text: servedBy(w)},
			{Text: reason(w)},
		})
	}
	p.Table(rows)
}

// rank sorts what needs a person first.
func rank(w api.Workload) int {
	switch {
	case isBad(w):
		return 0
	case w.Reachable != nil && !*w.Reachable:
		return 1
	case w.Status == "expiring":
		return 2
	}
	return 3
}
